"""The table of settings, in the groups and order of --help. No TensorFlow."""

import dataclasses
import functools

from enas.cifar10.behaviours import PROFILES
from enas.cifar10.config.values import setting
from enas.cifar10.search_space import POISON_SETS, SHARING

SHIPPED_SETS = ", ".join(name for name in POISON_SETS if name != "none")
_data = functools.partial(setting, group="Data")
_space = functools.partial(setting, group="Search space")
_child = functools.partial(setting, group="Child")
_controller = functools.partial(setting, group="Controller")
_run = functools.partial(setting, group="Run")
_checkpoints = functools.partial(setting, group="Checkpoints")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings but those that ops declare."""

    dataset: str = _data(
        "cifar10",
        "What to train on: cifar10; cifar100, its 100 fine classes; shapes, a"
        " built-in data set that needs no download; or folder:PATH, your own"
        " folder with a sub-folder of images for each class.",
        path="folder",
    )
    data_path: str | None = _data(
        None,
        "Where CIFAR is: a folder or file that is, or holds, the unpacked"
        " Python or binary files, their archive, an npz file or a prepared"
        " TFDS folder (data/README.md). Then data/ and the folders of Keras"
        " and TFDS are searched, and finally TFDS downloads into data/.",
        path="full",
        logging=True,
    )
    data_changed: str = _data(
        "refuse",
        "What to do with a run that has seen other images than those read now:"
        " refuse to continue or measure it, or allow it. Not kept in flags.txt;"
        " the log and result.json record it.",
        choices=("refuse", "allow"),
        logging=True,
    )
    num_train: int | None = _data(
        None, "Use only the first N training images.", lower=1
    )
    num_valid: int | None = _data(
        None, "Use only the first N validation images.", lower=1
    )
    num_test: int | None = _data(
        None, "Use only the first N test images.", lower=1
    )
    image_size: int = _data(
        32,
        "Side of the images that the child takes, in pixels, a multiple of 4;"
        " images of other sizes are scaled to it once.",
        lower=8,
        upper=512,
    )
    resize: str = _data(
        "area",
        "How an image of a folder that is not square becomes one: area scales"
        " all of it, crop its largest centred square.",
        choices=("area", "crop"),
    )
    data_format: str = _data(
        "NHWC",
        "Layout inside the child. NCHW only if the device has the kernels"
        " (a GPU).",
        choices=("NHWC", "NCHW"),
    )
    batch_size: int = _data(
        128, "Images in a training batch and in the batch of a reward.", lower=1
    )
    eval_batch_size: int | None = _data(
        None,
        "Images in a batch of an evaluation, and in the one on which the best"
        " of 10 architectures is chosen. Without it, what the profile's"
        " program takes: 100 for whole sets and --batch_size for the 10, or"
        " --batch_size for both. In training mode it is also the batch of the"
        " batch norm.",
        lower=1,
    )
    child_cutout_size: int = _data(
        0,
        "Side of the square that cutout blanks, in pixels; 0 for none.",
        lower=0,
        alias="cutout",
    )
    poison: str = _space(
        "none",
        f"Poisoning: none, or a comma list of the sets {SHIPPED_SETS}, of"
        " registered op names, and of ops from your"
        " own files, path/to/my_ops.py:Name, which runs that file"
        " (docs/POISON.md).",
        path="ops",
    )
    q: int | None = _space(None, "Copies of every poisoning op.", lower=0)
    poison_sharing: str = _space(
        "shared",
        "Whether the copies of a poisoning in a layer share their weights"
        " (the paper's code) or each have their own (the paper's text).",
        choices=SHARING,
    )
    candidate_ops: str = _space(
        "enas6",
        "The unpoisoned ops: a comma list of the sets enas6, ENAS's six, and"
        " paper5, the five of the paper's section 3.1.1, of names of ops, and"
        " of ops from your own files, as in --poison.",
        path="ops",
    )
    op_setting: tuple[str, ...] = _space(
        (),
        "Value of a setting that your own op declares, name=value; may be"
        " given several times (docs/POISON.md).",
    )
    child_num_branches: int | None = _space(
        None,
        "Number of unpoisoned ops, as the original names it; must agree with"
        " --candidate_ops. With --child_from_scratch and no poison, 4 and 5 are"
        " the first 4 or 5 of enas6, as in the original's final script.",
        lower=1,
    )
    child_num_layers: int = _child(
        None,
        "Layers of the child. By default 12, or with --child_from_scratch as"
        " many as --child_fixed_arc has.",
        lower=1,
        upper=100,
        shown=12,
    )
    child_out_filters: int = _child(
        36, "Channels of every layer, even.", lower=2, upper=4096
    )
    child_out_filters_scale: int = _child(
        1, "Factor on --child_out_filters.", lower=1, upper=64
    )
    child_keep_prob: float = _child(
        0.9,
        "Probability that the dropout before the classifier keeps a value.",
        lower=1e-6,
        upper=1.0,
    )
    child_l2_reg: float = _child(
        0.00025, "Factor on the sum of squares of all child weights.", lower=0.0
    )
    child_grad_bound: float = _child(
        5.0,
        "Bound of gradient clipping, for child and controller. No effect"
        " in the enas profile: the original computes clipped gradients and"
        " drops them.",
        lower=1e-6,
    )
    child_fixed_arc: str | None = _child(
        None,
        "Train this one architecture in the search's child instead of"
        " searching: op id and skip bits of every layer, as in best_arc.txt.",
        alias="fixed_arc",
    )
    child_from_scratch: bool = _child(
        False,
        "Train --child_fixed_arc as a separate network on all training"
        " images, validation images included: its own weights only, skips"
        " concatenated, channels doubled at each pooling, as the original's"
        " cifar10_macro_final.sh does.",
    )
    child_lr_cosine: bool = _child(
        True,
        "Cosine learning rate with restarts; if off, --child_lr decays"
        " exponentially in stairs.",
    )
    child_lr_max: float = _child(
        0.05, "Highest cosine learning rate.", lower=0.0
    )
    child_lr_min: float = _child(
        0.0005, "Lowest cosine learning rate.", lower=0.0
    )
    child_lr_T_0: int = _child(  # noqa: N815 (the original's name)
        10, "Epochs of the first cosine period.", lower=1, alias="child_lr_T"
    )
    child_lr_T_mul: int = _child(  # noqa: N815 (the original's name)
        2, "Factor on the period at every restart.", lower=1
    )
    child_lr: float = _child(
        0.1, "Learning rate without --child_lr_cosine.", lower=0.0
    )
    child_lr_dec_every: int = _child(
        100, "Epochs between stairs without cosine.", lower=1
    )
    child_lr_dec_rate: float = _child(
        0.1, "Factor at each stair without cosine.", lower=0.0
    )
    controller_training: bool = _controller(
        True,
        "Train the controller; if off it stays as initialised and samples"
        " almost uniformly.",
    )
    controller_lstm_size: int = _controller(
        64, "Units of an LSTM layer.", lower=1, upper=4096
    )
    controller_lstm_num_layers: int = _controller(
        1, "LSTM layers.", lower=1, upper=8
    )
    controller_entropy_weight: float = _controller(
        0.0001, "Factor on the entropy in the reward.", lower=0.0
    )
    controller_train_every: int = _controller(
        1, "Epochs between controller phases.", lower=1
    )
    controller_num_aggregate: int = _controller(
        20, "Arcs averaged in one update.", lower=1
    )
    controller_train_steps: int = _controller(
        50, "Updates in one controller phase.", lower=1
    )
    controller_lr: float = _controller(
        0.001, "Learning rate of its Adam.", lower=0.0
    )
    controller_l2_reg: float = _controller(
        0.0, "Factor on its sum of squared weights.", lower=0.0
    )
    controller_tanh_constant: float | None = _controller(
        1.5, "Bound c of all logits, c * tanh(logit); 0 for none.", lower=0.0
    )
    controller_temperature: float | None = _controller(
        None, "Divisor of all logits before the bound.", lower=1e-6
    )
    controller_skip_target: float = _controller(
        0.4,
        "Skip probability that the penalty draws towards.",
        lower=1e-6,
        upper=1 - 1e-6,
    )
    controller_skip_weight: float = _controller(
        0.8, "Factor on the skip penalty in the loss.", lower=0.0
    )
    controller_bl_dec: float = _controller(
        0.99,
        "Decay of the reward's moving average, the baseline.",
        lower=0.0,
        upper=1.0,
    )
    defence: str = _controller(
        "none",
        "Defence against a poisoned search space: none,"
        " or a comma list, applied in this order, of deduplicate, reweight,"
        " discard and prune (docs/DEFENCE.md).",
    )
    profile: str = _run(
        "enas",
        "Which program to behave like: enas, the original; paper, the code"
        " that made the paper's Table 1.",
        choices=tuple(PROFILES),
    )
    override: tuple[str, ...] = _run(
        (),
        "Change one behaviour of the profile, choice=value; may be given"
        " several times. docs/PORT.md lists the choices.",
    )
    search_for: str = _run(
        "macro",
        "macro, as in the original; a number stands for --num_epochs, as the"
        " paper's appendix writes it.",
    )
    num_epochs: int = _run(300, "Epochs to search.", lower=1, logging=True)
    seed: int = _run(69, "Seed of everything random.", lower=0, upper=2**31 - 1)
    log_every: int = _run(50, "Steps between log lines.", lower=1, logging=True)
    eval_every_epochs: int = _run(
        1,
        "The search is evaluated after every this many epochs, and the"
        " controller is trained in no others.",
        lower=1,
    )
    readings: str = _run(
        "last",
        "When to measure best of 10 and fresh arcs, both in evaluation and in"
        " training mode: in all epochs, in the last one that is evaluated, or"
        " never, which leaves what the profile prints and the best of 10 in"
        " evaluation mode.",
        choices=("printed", "last", "all"),
        logging=True,
    )
    pictures_every: int = _run(
        1,
        "Epochs between the pictures in TensorBoard: architectures and the"
        " share of every op; 0 draws none. With 12 layers they take 1 to 3"
        " seconds and 0.4 MB.",
        lower=0,
        logging=True,
    )
    tensorboard_graph: bool = _run(
        False,
        "Write the child's graph for TensorBoard's tab Graphs.",
        logging=True,
    )
    checkpoint_every_steps: int = _run(
        100,
        "Child steps and controller updates between checkpoints within an"
        " epoch, which bounds what a kill costs; 0 saves whole epochs only.",
        lower=0,
        logging=True,
    )
    mixed_precision: str = _run(
        "none",
        "Type of the child's feature maps and products: none is float32;"
        " bfloat16 keeps weights, batch norm statistics and logits in float32."
        " For a GPU, unmeasured there (docs/PERFORMANCE.md).",
        choices=("none", "bfloat16"),
    )
    deterministic: bool = _run(
        False,
        "Let TensorFlow use only operations that promise the same bits every"
        " time, for a GPU; on a CPU those of the search do so anyway, and this"
        " costs about a tenth of the time (docs/RELIABILITY.md).",
    )
    output_dir: str = _run(
        "outputs", "The run directory.", logging=True, path="home"
    )
    reset_output_dir: bool = _run(
        False, "Delete the run directory first, if it is one.", logging=True
    )
    init_checkpoint: str | None = _checkpoints(
        None,
        "Start from the weights and moving statistics of a checkpoint of the"
        " original: its path without .index, or a folder that holds one. A"
        " run that continues takes its own checkpoint.",
        path="full",
    )
    init_slots: bool = _checkpoints(
        False,
        "Take momentum and Adam slots, counters and baseline from"
        " --init_checkpoint as well, to continue where it left off.",
    )
    init_controller: bool = _checkpoints(
        True,
        "Take the controller from --init_checkpoint; if off only the child,"
        " as for a search space with more op ids.",
    )
    export_tf1_checkpoint: str | None = _checkpoints(
        None,
        "At the end of the search, write a checkpoint that the original can"
        " restore: its path without .index, in a folder without others.",
        logging=True,
        path="full",
    )
