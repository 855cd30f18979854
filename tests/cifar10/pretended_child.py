"""A search whose child is pretended: listed numbers, calls written down."""

import numpy as np

import helpers
from enas.cifar10.config import Config
from enas.cifar10.data_utils import Split
from enas.cifar10.macro_controller import Sample
from enas.cifar10.search import Search
from enas.cifar10.search_space import make_search_space

LAYERS = 3


def pretended_split(n):
    images = np.zeros((n, 32, 32, 3), np.uint8)
    return Split(images, np.arange(n, dtype=np.int32) % 10)


def pretended_data():
    return helpers.made_data(*map(pretended_split, (40, 250, 320)))


class Pretended:
    """Stands in for `Compiled`: numbers from a list, calls written down."""

    def __init__(self, num_ops):
        self.num_ops = num_ops
        self.calls = []
        self.loss = 2.0
        self.norm = 1.0

    def sample(self, n, seed):
        rng = np.random.default_rng(seed)
        self.calls.append(("sample", n))
        parts = dict.fromkeys(Sample._fields)
        parts |= {
            "op_ids": rng.integers(0, self.num_ops, (n, LAYERS)),
            "skips": rng.integers(0, 2, (n, 3)),
            "entropy": np.full(n, 5.0),
            "skip_count": np.full(n, 2.0),
        }
        parts = {
            name: Tensor(np.asarray(part)) if part is not None else None
            for name, part in parts.items()
        }
        return Sample(**parts)

    def child_step(self, images, labels, op_ids, skips, lr, seed):
        self.calls.append(("train", tuple(op_ids), float(lr), seed))
        return self.loss, self.norm, 3

    def settle(self):
        self.calls.append(("settle",))

    def count_correct(self, images, labels, op_ids, skips):
        self.calls.append(("count", tuple(op_ids), len(labels)))
        return int(op_ids[0]) % (len(labels) + 1)

    def count_correct_in_training(self, images, labels, op_ids, skips, seed):
        self.calls.append(("noisy", tuple(op_ids), len(labels), tuple(seed)))
        return int(op_ids[0]) % (len(labels) + 1)

    def score_arcs(self, op_ids, skips, advantages):
        self.calls.append(("shown", np.array(advantages)))
        return np.zeros(len(op_ids)), 0.5

    def controller_step(self, op_ids, skips, advantages, rate):
        self.calls.append(("score", np.array(advantages)))
        self.calls.append(("update", rate))
        return np.zeros(len(op_ids)), 0.5


class Tensor:
    """The least that the search needs of an eager tensor."""

    def __init__(self, value):
        self._value = value

    def numpy(self):
        return self._value


def make_search(fixed_arc=None, **settings):
    config = Config(
        **{
            "child_num_layers": LAYERS,
            "batch_size": 10,
            "controller_train_steps": 2,
            "controller_num_aggregate": 3,
            "poison": "identity",
            "q": 6,
            **settings,
        }
    )
    space = make_search_space("identity", 6, "shared", "enas6")
    lines = []
    search = Search(
        config,
        space,
        pretended_data(),
        Pretended(space.num_ops),
        lines.append,
        fixed_arc,
    )
    return search, lines


def run_epoch(search):
    """Returns (what the next epoch measured, its architectures)."""
    numbers, reports = search.run_epoch()
    return numbers.measured(), reports


def evaluate(search):
    """Returns (what an evaluation measured, its architectures)."""
    reports = search.evaluate()
    return search.progress.numbers.measured(), reports


def kinds(search):
    return [call[0] for call in search.compiled.calls]
