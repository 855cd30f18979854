"""The columns of metrics.csv and their TensorBoard tags, once. No TensorFlow.

docs/METRICS.md says of each its formula, unit and the images behind it.
"""

__all__ = ["COLUMNS", "TAGS"]

# Column of metrics.csv -> TensorBoard tag.
TAGS = {
    "child_lr": "child/learning_rate",
    "child_loss": "child/loss",
    "train_acc": "child/train_accuracy",
    "valid_acc": "accuracy/valid_sampled_arcs",
    "test_acc": "accuracy/test_sampled_arcs",
    "best_valid_acc": "accuracy/valid_best_of_10",
    "best_test_acc": "accuracy/test_best_of_10",
    "reward": "controller/reward",
    "baseline": "controller/baseline",
    "entropy": "controller/entropy",
    "skip_rate": "controller/skip_rate",
    "controller_loss": "controller/loss",
    "poison_share": "poison/share_of_sampled_ops",
    "good_layers": "poison/good_layers",
    "bad_layers": "poison/bad_layers",
    "seconds_child": "seconds/child",
    "seconds_controller": "seconds/controller",
    "seconds_eval": "seconds/evaluation",
}

COLUMNS = ("epoch", *TAGS)
