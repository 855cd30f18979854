"""Every setting of a search, once: flag, default, range and help.

The fields of `Config` are the flags; `flags.py` turns them into absl flags.
Defaults are the paper's (its appendix A) where it gives one, otherwise those
of ENAS's scripts/cifar10_macro_search.sh. No TensorFlow here.
"""

import dataclasses
from typing import Any

from enas.cifar10 import op_settings
from enas.cifar10.arc import layers_of
from enas.cifar10.behaviours import PROFILES, Profile, make_profile
from enas.cifar10.branches import ChildOptions
from enas.cifar10.config_checks import check_combinations, checked, setting
from enas.cifar10.search_space import CANDIDATE_OPS

__all__ = ["Config"]


@dataclasses.dataclass(frozen=True)
@op_settings.as_fields
class Config:
    """One search, frozen.

    Every field is documented by the help text of its flag, which states unit
    and meaning; ranges are checked when a `Config` is made.

    Raises:
      UserError: a value is outside its range, or two values contradict.

    Source: appendix A of the paper; ENAS main.py. Same names and defaults,
    except that ENAS has no flag for the seed, the LSTM and the poisonings.
    """

    dataset: str = setting(
        "cifar10",
        "Data",
        "What to train on: cifar10; cifar100, its 100 fine classes; shapes, an"
        " embedded data set that needs no download; or folder:PATH, a folder of"
        " yours with a sub-folder of images for each class.",
        path="folder",
    )
    data_path: str | None = setting(
        None,
        "Data",
        "Where CIFAR is: a folder or file that is, or holds, the unpacked"
        " Python or binary files, their archive, an npz file or a prepared"
        " TFDS folder (data/README.md). Then data/ and the folders of Keras"
        " and TFDS are searched, and at last TFDS downloads into data/.",
        path="full",
        logging=True,
    )
    data_changed: str = setting(
        "refuse",
        "Data",
        "What to do with a run that has seen other images than those read now:"
        " refuse to continue or measure it, or allow it. Not kept in flags.txt;"
        " the log and result.json say that it was so.",
        choices=("refuse", "allow"),
        logging=True,
    )
    num_train: int | None = setting(
        None, "Data", "Use only the first N training images.", lower=1
    )
    num_valid: int | None = setting(
        None, "Data", "Use only the first N validation images.", lower=1
    )
    num_test: int | None = setting(
        None, "Data", "Use only the first N test images.", lower=1
    )
    image_size: int = setting(
        32,
        "Data",
        "Side of the images that the child takes, in pixels, a multiple of 4;"
        " images of other sizes are scaled to it once.",
        lower=8,
        upper=512,
    )
    resize: str = setting(
        "area",
        "Data",
        "How an image of a folder that is not square becomes one: area scales"
        " all of it, crop its largest centred square.",
        choices=("area", "crop"),
    )
    data_format: str = setting(
        "NHWC",
        "Data",
        "Layout inside the child. NCHW only where the device has the kernels"
        " (a GPU).",
        choices=("NHWC", "NCHW"),
    )
    batch_size: int = setting(
        128,
        "Data",
        "Images in a training batch and in the batch behind a reward.",
        lower=1,
    )
    child_cutout_size: int = setting(
        0,
        "Data",
        "Side of the square that cutout blanks, in pixels; 0 for none.",
        lower=0,
        alias="cutout",
    )

    poison: str = setting(
        "none",
        "Search space",
        "Poisoning: none, or a comma list of the sets identity,"
        " transposed_conv, dropout, grouped, relative_gaussian and"
        " stretched_conv, of registered op names, and of ops from files of"
        " your own, path/to/my_ops.py:Name, which runs that file"
        " (docs/POISON.md).",
        path="ops",
    )
    q: int | None = setting(
        None, "Search space", "Copies of every poisoning op.", lower=0
    )
    poison_sharing: str = setting(
        "shared",
        "Search space",
        "Whether the copies of a poisoning in a layer share their weights"
        " (the paper's code) or each have their own (the paper's text).",
        choices=("shared", "unique"),
    )
    candidate_ops: str = setting(
        "enas6",
        "Search space",
        "The unpoisoned ops: a comma list of the sets enas6, ENAS's six, and"
        " paper5, the five of the paper's section 3.1.1, of names of ops, and"
        " of ops from files of your own, as in --poison.",
        path="ops",
    )
    op_setting: tuple[str, ...] = setting(
        (),
        "Search space",
        "Value of a setting that an op of your own declares, name=value; may be"
        " given several times (docs/POISON.md).",
    )
    child_num_branches: int | None = setting(
        None,
        "Search space",
        "Number of unpoisoned ops, as the original names it; must agree with"
        " --candidate_ops. With --child_from_scratch and no poison, 4 and 5 are"
        " the first so many of enas6, as the original's final script has it.",
        lower=1,
    )

    child_num_layers: int = setting(
        None,
        "Child",
        "Layers of the child. By default 12, or with --child_from_scratch as"
        " many as --child_fixed_arc has.",
        lower=1,
        upper=100,
        shown=12,
    )
    child_out_filters: int = setting(
        36, "Child", "Channels of every layer, even.", lower=2, upper=4096
    )
    child_out_filters_scale: int = setting(
        1, "Child", "Factor on --child_out_filters.", lower=1, upper=64
    )
    child_keep_prob: float = setting(
        0.9,
        "Child",
        "Probability that the dropout before the classifier keeps a value.",
        lower=1e-6,
        upper=1.0,
    )
    child_l2_reg: float = setting(
        0.00025,
        "Child",
        "Factor on the sum of squares of all child weights.",
        lower=0.0,
    )
    child_grad_bound: float = setting(
        5.0,
        "Child",
        "Bound of gradient clipping, for child and controller. Without effect"
        " in the enas profile: the original computes clipped gradients and"
        " drops them.",
        lower=0.0,
    )
    child_fixed_arc: str | None = setting(
        None,
        "Child",
        "Train this one architecture under the search's child instead of"
        " searching: op id and skip bits of every layer, as in best_arc.txt.",
        alias="fixed_arc",
    )
    child_from_scratch: bool = setting(
        False,
        "Child",
        "Train --child_fixed_arc as a network of its own on all training"
        " images, validation images included: its own weights only, skips"
        " concatenated, channels doubled at each pooling, as the original's"
        " cifar10_macro_final.sh does.",
    )
    child_lr_cosine: bool = setting(
        True,
        "Child",
        "Cosine learning rate with restarts; if off, --child_lr decays"
        " exponentially in stairs.",
    )
    child_lr_max: float = setting(
        0.05, "Child", "Highest cosine learning rate.", lower=0.0
    )
    child_lr_min: float = setting(
        0.0005, "Child", "Lowest cosine learning rate.", lower=0.0
    )
    child_lr_T_0: int = setting(  # noqa: N815 (the original's name)
        10,
        "Child",
        "Epochs of the first cosine period.",
        lower=1,
        alias="child_lr_T",
    )
    child_lr_T_mul: int = setting(  # noqa: N815 (the original's name)
        2, "Child", "Factor on the period at every restart.", lower=1
    )
    child_lr: float = setting(
        0.1, "Child", "Learning rate without --child_lr_cosine.", lower=0.0
    )
    child_lr_dec_every: int = setting(
        100, "Child", "Epochs between stairs without cosine.", lower=1
    )
    child_lr_dec_rate: float = setting(
        0.1, "Child", "Factor at each stair without cosine.", lower=0.0
    )

    controller_training: bool = setting(
        True,
        "Controller",
        "Train the controller; if off it stays as initialised and samples"
        " almost uniformly.",
    )
    controller_lstm_size: int = setting(
        64, "Controller", "Units of an LSTM layer.", lower=1, upper=4096
    )
    controller_lstm_num_layers: int = setting(
        1, "Controller", "LSTM layers.", lower=1, upper=8
    )
    controller_entropy_weight: float = setting(
        0.0001, "Controller", "Factor on the entropy in the reward.", lower=0.0
    )
    controller_train_every: int = setting(
        1, "Controller", "Epochs between controller phases.", lower=1
    )
    controller_num_aggregate: int = setting(
        20, "Controller", "Arcs averaged in one update.", lower=1
    )
    controller_train_steps: int = setting(
        50, "Controller", "Updates in one controller phase.", lower=1
    )
    controller_lr: float = setting(
        0.001, "Controller", "Learning rate of its Adam.", lower=0.0
    )
    controller_l2_reg: float = setting(
        0.0, "Controller", "Factor on its sum of squared weights.", lower=0.0
    )
    controller_tanh_constant: float | None = setting(
        1.5,
        "Controller",
        "Bound c of all logits, c * tanh(logit); 0 for none.",
        lower=0.0,
    )
    controller_temperature: float | None = setting(
        None,
        "Controller",
        "Divisor of all logits before the bound.",
        lower=1e-6,
    )
    controller_skip_target: float = setting(
        0.4,
        "Controller",
        "Skip probability that the penalty draws towards.",
        lower=1e-6,
        upper=1 - 1e-6,
    )
    controller_skip_weight: float = setting(
        0.8, "Controller", "Factor on the skip penalty in the loss.", lower=0.0
    )
    controller_bl_dec: float = setting(
        0.99,
        "Controller",
        "Decay of the reward's moving average, the baseline.",
        lower=0.0,
        upper=1.0,
    )

    defence: str = setting(
        "none",
        "Controller",
        "What stands between a poisoned search space and the controller: none,"
        " or a comma list, applied in this order, of deduplicate, reweight,"
        " discard and prune (docs/DEFENCE.md).",
    )

    profile: str = setting(
        "enas",
        "Run",
        "Which program to behave like: enas, the original; paper, the code"
        " behind the paper's Table 1.",
        choices=tuple(PROFILES),
    )
    override: tuple[str, ...] = setting(
        (),
        "Run",
        "Change one behaviour of the profile, choice=value; may be given"
        " several times. docs/PORT.md lists the choices.",
    )
    search_for: str = setting(
        "macro",
        "Run",
        "macro, as in the original; a number stands for --num_epochs, as the"
        " paper's appendix writes it.",
    )
    num_epochs: int = setting(
        300, "Run", "Epochs to search.", lower=1, logging=True
    )
    seed: int = setting(
        69,
        "Run",
        "Seed of everything random.",
        lower=0,
        upper=2**31 - 1,
    )
    log_every: int = setting(
        50, "Run", "Steps between log lines.", lower=1, logging=True
    )
    eval_every_epochs: int = setting(
        1,
        "Run",
        "Epochs between controller phase and evaluation.",
        lower=1,
    )
    readings: str = setting(
        "last",
        "Run",
        "When to measure best of 10 and fresh arcs, both in evaluation and in"
        " training mode: in all epochs, in the last one, or never, so that"
        " there is what the profile prints and the best of 10 in evaluation"
        " mode.",
        choices=("printed", "last", "all"),
        logging=True,
    )
    pictures_every: int = setting(
        1,
        "Run",
        "Epochs between the pictures in TensorBoard: architectures and the"
        " share of every op; 0 draws none. With 12 layers they take 1 to 3"
        " seconds and 0.4 MB.",
        lower=0,
        logging=True,
    )
    tensorboard_graph: bool = setting(
        False,
        "Run",
        "Write the child's graph for TensorBoard's tab Graphs.",
        logging=True,
    )
    checkpoint_every_steps: int = setting(
        100,
        "Run",
        "Child steps and controller updates between checkpoints within an"
        " epoch, which bounds what a kill costs; 0 saves whole epochs only.",
        lower=0,
        logging=True,
    )
    mixed_precision: str = setting(
        "none",
        "Run",
        "Type of the child's feature maps and products: none is float32;"
        " bfloat16 keeps weights, batch norm statistics and logits in float32."
        " For a GPU, unmeasured there (docs/PERFORMANCE.md).",
        choices=("none", "bfloat16"),
    )
    deterministic: bool = setting(
        False,
        "Run",
        "Let TensorFlow use only operations that promise the same bits every"
        " time, for a GPU; on a CPU those of the search do so anyway, and this"
        " costs a tenth to a fifth of the time (docs/RELIABILITY.md).",
    )
    output_dir: str = setting(
        "outputs", "Run", "The run directory.", logging=True, path="home"
    )
    reset_output_dir: bool = setting(
        False,
        "Run",
        "Delete the run directory first, if it is one.",
        logging=True,
    )

    init_checkpoint: str | None = setting(
        None,
        "Checkpoints",
        "Start from the weights and moving statistics of a checkpoint of the"
        " original: its path without .index, or a folder that holds one. A"
        " run that continues takes its own checkpoint.",
        path="full",
    )
    init_slots: bool = setting(
        False,
        "Checkpoints",
        "Take momentum and Adam slots, counters and baseline from"
        " --init_checkpoint as well, to go on where it left off.",
    )
    init_controller: bool = setting(
        True,
        "Checkpoints",
        "Take the controller from --init_checkpoint; if off only the child,"
        " as for a search space with more op ids.",
    )
    export_tf1_checkpoint: str | None = setting(
        None,
        "Checkpoints",
        "At the end of the search, write a checkpoint that the original can"
        " restore: its path without .index, in a folder without others.",
        logging=True,
        path="full",
    )

    def __post_init__(self) -> None:
        """Checks every value where it enters, and spells it one way."""
        for field in dataclasses.fields(self):
            value = checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        _fill_in(self)
        check_combinations(self)

    @property
    def behaviour(self) -> Profile:
        """The choices in force."""
        return make_profile(self.override, PROFILES[self.profile])

    @property
    def restarts(self) -> bool:
        """Whether the child's learning rate is a cosine with restarts."""
        return self.child_lr_cosine and self.behaviour.lr_schedule == "restarts"

    @property
    def filters(self) -> int:
        """Channels of every layer."""
        return self.child_out_filters * self.child_out_filters_scale

    @property
    def tanh_constant(self) -> float | None:
        """Bound of the logits, or None without bound."""
        return self.controller_tanh_constant or None

    @property
    def op_settings(self) -> dict[str, Any]:
        """Values of the ops' settings by name.

        Raises:
          UserError: --op_setting names none that an op declares, or its value
            is not legal.
        """
        return op_settings.values_of(self)

    def child_options(self, num_classes: int = 10) -> ChildOptions:
        """Returns what every part of the child needs to know."""
        return ChildOptions(
            filters=self.filters,
            data_format=self.data_format,
            seed=self.seed,
            keep_prob=self.child_keep_prob,
            op_settings=self.op_settings,
            num_classes=num_classes,
            image_size=self.image_size,
            profile=self.behaviour,
        )


def _fill_in(config: Config) -> None:
    """Sets the layers where none were given, and the ops of 4 branches."""
    if config.child_num_layers is None:
        layers = 12
        if config.child_from_scratch and config.child_fixed_arc:
            layers = layers_of(config.child_fixed_arc)
        object.__setattr__(config, "child_num_layers", layers)
    first = CANDIDATE_OPS["enas6"][: config.child_num_branches]
    fixed = config.child_from_scratch and config.poison == "none"
    if fixed and config.candidate_ops == "enas6" and len(first) >= 4:
        # As in the original, whose published final network has 4 branches.
        ops = "enas6" if len(first) == 6 else ",".join(first)
        object.__setattr__(config, "candidate_ops", ops)
