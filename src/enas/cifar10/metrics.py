"""The columns of metrics.csv and their TensorBoard tags, once. No TensorFlow.

docs/METRICS.md says of each its formula, unit and the images behind it.
"""

__all__ = ["COLUMNS", "READINGS", "TAGS"]

# Column of metrics.csv -> TensorBoard tag.
TAGS = {
    "child_lr": "child/learning_rate",
    "child_loss": "child/loss",
    "train_acc": "child/train_accuracy",
    "valid_acc": "accuracy/valid_sampled_arcs",
    "test_acc": "accuracy/test_sampled_arcs",
    "best_valid_acc": "accuracy/valid_best_of_10",
    "best_test_acc": "accuracy/test_best_of_10",
    "best_valid_acc_train": "accuracy/valid_best_of_10_training_mode",
    "best_test_acc_train": "accuracy/test_best_of_10_training_mode",
    "sampled_valid_acc": "accuracy/valid_mean_of_sampled",
    "sampled_test_acc": "accuracy/test_mean_of_sampled",
    "sampled_valid_acc_train": "accuracy/valid_mean_of_sampled_training_mode",
    "sampled_test_acc_train": "accuracy/test_mean_of_sampled_training_mode",
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

# (arcs, mode of the child) -> column, with the name of the split left open.
READINGS = {
    ("best", "eval"): "best_{}_acc",
    ("best", "train"): "best_{}_acc_train",
    ("sampled", "eval"): "sampled_{}_acc",
    ("sampled", "train"): "sampled_{}_acc_train",
}
