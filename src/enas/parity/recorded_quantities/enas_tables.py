"""lr_schedule.npz, preprocessing.npz, and values.npz of a checkpoint."""

from typing import Any

import numpy as np

from enas.cifar10 import batches
from enas.cifar10.config import Config
from enas.cifar10.search_space import CANDIDATE_OPS, SearchSpace
from enas.parity.checkpoint_diff import build_models, read_sizes
from enas.parity.comparison import Nudge, Quantity
from enas.parity.recorded_quantities.arrays import Arrays, quantities
from enas.run import checkpoint
from enas.schedules import learning_rate
from enas.tf1.files import find_prefix
from enas.tf1.load import restart_state
from enas.tf1.names import kind_of


def schedule(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares learning rates and the schedule's state (row 17)."""
    config, epochs = Config(), range(len(arrays["lr_rest"]))
    steps = int(arrays["num_train_batches"])
    first = [learning_rate(config, epoch, 0) for epoch in epochs]
    rest = [learning_rate(config, epoch, 1) for epoch in epochs]
    states = [restart_state(config, epoch + 1) for epoch in epochs]
    all_steps = np.repeat(rest, steps)
    all_steps[::steps] = first
    every = [name for name in arrays if name.startswith("lr_all_steps")]
    ours: dict[str, Any] = {"lr_first_step": first, "lr_rest": rest}
    ours |= {name: [s[name] for s in states] for name in ("T_i", "last_reset")}
    return arrays.compared(ours | dict.fromkeys(every, all_steps))


def preprocessing(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares mean, standard deviation, standardised images (row 29)."""
    images = {}
    for split in ("train", "valid", "test"):
        # Rows as the CIFAR-10 files have them.
        rows = arrays[f"raw_{split}"].reshape(-1, 3, 32, 32)
        images[split] = np.ascontiguousarray(rows.transpose(0, 2, 3, 1))
    mean, std = batches.channel_statistics(images["train"])
    ours = {"mean": mean, "std": std}
    for split, some in images.items():
        ours[f"{split}_first4"] = batches.standardize(some[:4], mean, std)
    return arrays.compared(ours)


def checkpoint_values(arrays: Arrays, nudge: Nudge) -> list[Quantity]:
    """Compares each tensor after it went through the port's variables.

    Source: the checkpoint beside the file; counters are compared as read.
    """
    prefix = find_prefix(str(arrays.path.parent))
    tensors = checkpoint.read_tensors(prefix)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    num_ops, sizes = read_sizes(shapes, prefix)
    space = SearchSpace(CANDIDATE_OPS["enas6"][:num_ops])
    compiled = build_models(Config(**sizes), space)
    checkpoint.assign(compiled, tensors)
    held = tensors | checkpoint.search_variables(compiled)
    return quantities(arrays.below(""), held, lambda n: f"{kind_of(n)}s")
