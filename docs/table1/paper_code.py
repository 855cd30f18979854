"""Runs the paper's own PyTorch code at scale `small`, on one CPU core.

Its files are not part of this project and are not changed:

    git clone https://github.com/rhubarbwu/ENAS-Experiments paper_code
    git -C paper_code checkout 3f7faf2
    python3.11 -m venv torch_env
    torch_env/bin/pip install torch==2.13.0 pandas
    torch_env/bin/python docs/table1/paper_code.py --code=paper_code --row=1C \
        --seed=70 --data_path=... --machine=NAME --output=paper_code.csv

What is replaced from outside, and why:

* `cuda()` returns its object, because there is no GPU;
* torchvision: its reader and four transforms in NumPy; loaders without
  processes, because the validation loader is made again for every arc;
* `zero_grad` fills with zeros, as in torch 1.8, with which the recordings of
  the paper's code were made (row 12 of docs/PORT.md);
* ReLU's output is a copy: torch 2 refuses the sum in place of row 6 on it;
* the CPU's random numbers are seeded; their program seeds those of a GPU.

Each epoch appends a line to the output. After the last one, a fresh arc for
every batch of the test set is measured: the main number of docs/TABLE1.md.
A run that is stopped starts from the beginning; remove its lines first.
"""

import argparse
import csv
import datetime
import pathlib
import pickle
import random
import sys
import time
import types

import numpy as np
import torch
from torch import nn

COMMIT = "3f7faf2"
SMALL = {  # scripts/presets/small.flags, under the names of the paper's code
    "batch_size": 32,
    "num_epochs": 12,
    "child_num_layers": 5,
    "child_out_filters": 16,
    "child_lr_T": 12,
    "controller_train_steps": 20,
    "controller_lr": 0.01,
}
COLUMNS = "row seed commit torch machine date epoch".split()
COLUMNS += "valid_error_best test_error_best".split()
COLUMNS += "test_error_sampled_train test_error_sampled_eval".split()
COLUMNS += "poison_share reward minutes".split()


class Cifar10:
    """Images `[32, 32, 3]` uint8 and labels of the Python batches."""

    def __init__(self, root, train, transform, download):
        del download
        names = [f"data_batch_{i}" for i in range(1, 6)]
        parts = []
        for name in names if train else ["test_batch"]:
            path = pathlib.Path(root, "cifar-10-batches-py", name)
            parts.append(pickle.loads(path.read_bytes(), encoding="bytes"))
        planes = np.concatenate([part[b"data"] for part in parts])
        planes = planes.reshape(-1, 3, 32, 32)
        self.images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        self.labels = [label for part in parts for label in part[b"labels"]]
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def random_crop(size, padding):
    """As torchvision's RandomCrop."""

    def crop(image):
        around = ((padding, padding), (padding, padding), (0, 0))
        top, left = (random.randint(0, 2 * padding) for _ in range(2))
        return np.pad(image, around)[top : top + size, left : left + size]

    return crop


def random_flip():
    """As torchvision's RandomHorizontalFlip."""
    return lambda image: image[:, ::-1] if random.random() < 0.5 else image


def to_tensor():
    """As torchvision's ToTensor."""

    def tensor(image):
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        return torch.from_numpy(planes).float().div(255)

    return tensor


def normalize(mean, std):
    """As torchvision's Normalize."""
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (mean, std))
    return lambda image: (image - mean) / std


class Compose:
    """As torchvision's."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


def replace_torchvision():
    """Puts the reader and the transforms above in torchvision's place."""
    vision = types.ModuleType("torchvision")
    vision.datasets = types.SimpleNamespace(CIFAR10=Cifar10)
    vision.transforms = types.SimpleNamespace(
        RandomCrop=random_crop,
        RandomHorizontalFlip=random_flip,
        ToTensor=to_tensor,
        Normalize=normalize,
        Compose=Compose,
    )
    sys.modules["torchvision"] = vision


def replace_torch():
    """Makes torch 2 on a CPU do what torch 1.8 on a GPU did."""
    for kind in (torch.Tensor, nn.Module):
        kind.cuda = lambda self: self
    zero_grad = nn.Module.zero_grad
    nn.Module.zero_grad = lambda self: zero_grad(self, set_to_none=False)
    nn.ReLU.forward = lambda self, x: torch.relu(x).clone()
    loader = torch.utils.data.DataLoader

    def without_processes(**options):
        return loader(**{**options, "num_workers": 0, "pin_memory": False})

    torch.utils.data.DataLoader = without_processes


@torch.no_grad()
def sampled(controller, child, loader):
    """Mean error in per cent of a fresh arc for every batch, and their share
    of op ids from 6 on."""
    wrong = total = poison = layers = 0
    for images, labels in loader:
        controller()
        arc = controller.sample_arc
        wrong += int((child(images, arc).argmax(1) != labels).sum())
        total += len(labels)
        poison += sum(int(layer[0]) >= 6 for layer in arc.values())
        layers += len(arc)
    return 100 * wrong / total, poison / layers


def append(path, row):
    """Appends a row to a CSV file, and the header to a new one."""
    with open(path, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not file.tell():
            writer.writerow(COLUMNS)
        writer.writerow(row)


def main():
    """Runs one search."""
    parser = argparse.ArgumentParser()
    for name in ("code", "row", "data_path", "machine", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seed", type=int, required=True)
    flags = parser.parse_args()
    output = pathlib.Path(flags.output).resolve()
    run = [flags.row, flags.seed, COMMIT, torch.__version__, flags.machine]
    run.append(datetime.date.today())
    torch.set_num_threads(1)
    random.seed(flags.seed)
    torch.manual_seed(flags.seed)
    replace_torchvision()
    replace_torch()

    # Their modules read the row from the command line when imported.
    sys.path.insert(0, flags.code)
    sys.argv = ["driver.py", flags.row]
    from lib import train
    from lib.hparams import args

    args.update(SMALL, seed=flags.seed, data_path=flags.data_path)
    args["output_filename"] = str(output.parent / f"{flags.row}_{flags.seed}")
    start, evaluate = time.time(), train.evaluate_model
    train_controller, rewards = train.train_controller, []

    def rewarded(*options):
        baseline, (mean, last) = train_controller(*options)
        rewards.append(mean)
        return baseline, (mean, last)

    def evaluate_model(epoch, controller, child, loaders):
        valid, test = evaluate(epoch, controller, child, loaders)
        values = [100 - 100 * valid, 100 - 100 * test]
        if epoch + 1 == SMALL["num_epochs"]:
            images = loaders["test_dataset"]
            error, share = sampled(controller, child, images)
            child.eval()
            values += [error, sampled(controller, child, images)[0], share]
            child.train()
        else:
            values += ["", "", ""]
        values += [rewards[-1], (time.time() - start) / 60]
        cells = [value and f"{value:.4f}" for value in values]
        append(output, [*run, epoch + 1, *cells])
        return valid, test

    train.evaluate_model = evaluate_model
    train.train_controller = rewarded
    # Their program runs when it is imported. At its end it writes a file into
    # a folder `experiments` of the working directory.
    pathlib.Path("experiments").mkdir(exist_ok=True)
    import driver  # noqa: F401


main()
