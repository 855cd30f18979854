"""The search as a whole, and the original's checkpoints. No TensorFlow here."""

import dataclasses
from typing import ClassVar

from enas.cifar10.behaviours import PROFILES
from enas.cifar10.config.values import setting


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """The search as a whole and what it writes."""

    GROUP: ClassVar[str] = "Run"

    profile: str = setting(
        "enas",
        "Which program to behave like: enas, the original; paper, the code"
        " behind the paper's Table 1.",
        choices=tuple(PROFILES),
    )
    override: tuple[str, ...] = setting(
        (),
        "Change one behaviour of the profile, choice=value; may be given"
        " several times. docs/PORT.md lists the choices.",
    )
    search_for: str = setting(
        "macro",
        "macro, as in the original; a number stands for --num_epochs, as the"
        " paper's appendix writes it.",
    )
    num_epochs: int = setting(300, "Epochs to search.", lower=1, logging=True)
    seed: int = setting(
        69,
        "Seed of everything random.",
        lower=0,
        upper=2**31 - 1,
    )
    log_every: int = setting(
        50, "Steps between log lines.", lower=1, logging=True
    )
    eval_every_epochs: int = setting(
        1,
        "Epochs between controller phase and evaluation.",
        lower=1,
    )
    readings: str = setting(
        "last",
        "When to measure best of 10 and fresh arcs, both in evaluation and in"
        " training mode: in all epochs, in the last one, or never, so that"
        " there is what the profile prints and the best of 10 in evaluation"
        " mode.",
        choices=("printed", "last", "all"),
        logging=True,
    )
    pictures_every: int = setting(
        1,
        "Epochs between the pictures in TensorBoard: architectures and the"
        " share of every op; 0 draws none. With 12 layers they take 1 to 3"
        " seconds and 0.4 MB.",
        lower=0,
        logging=True,
    )
    tensorboard_graph: bool = setting(
        False,
        "Write the child's graph for TensorBoard's tab Graphs.",
        logging=True,
    )
    checkpoint_every_steps: int = setting(
        100,
        "Child steps and controller updates between checkpoints within an"
        " epoch, which bounds what a kill costs; 0 saves whole epochs only.",
        lower=0,
        logging=True,
    )
    mixed_precision: str = setting(
        "none",
        "Type of the child's feature maps and products: none is float32;"
        " bfloat16 keeps weights, batch norm statistics and logits in float32."
        " For a GPU, unmeasured there (docs/PERFORMANCE.md).",
        choices=("none", "bfloat16"),
    )
    deterministic: bool = setting(
        False,
        "Let TensorFlow use only operations that promise the same bits every"
        " time, for a GPU; on a CPU those of the search do so anyway, and this"
        " costs a tenth to a fifth of the time (docs/RELIABILITY.md).",
    )
    output_dir: str = setting(
        "outputs", "The run directory.", logging=True, path="home"
    )
    reset_output_dir: bool = setting(
        False,
        "Delete the run directory first, if it is one.",
        logging=True,
    )


@dataclasses.dataclass(frozen=True)
class CheckpointSettings:
    """Checkpoints of the original, in and out."""

    GROUP: ClassVar[str] = "Checkpoints"

    init_checkpoint: str | None = setting(
        None,
        "Start from the weights and moving statistics of a checkpoint of the"
        " original: its path without .index, or a folder that holds one. A"
        " run that continues takes its own checkpoint.",
        path="full",
    )
    init_slots: bool = setting(
        False,
        "Take momentum and Adam slots, counters and baseline from"
        " --init_checkpoint as well, to go on where it left off.",
    )
    init_controller: bool = setting(
        True,
        "Take the controller from --init_checkpoint; if off only the child,"
        " as for a search space with more op ids.",
    )
    export_tf1_checkpoint: str | None = setting(
        None,
        "At the end of the search, write a checkpoint that the original can"
        " restore: its path without .index, in a folder without others.",
        logging=True,
        path="full",
    )
