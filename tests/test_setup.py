"""setup.py, constraints.txt and the Dockerfile agree with each other."""

import ast
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import enas
import helpers

ROOT = helpers.ROOT
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]

# Import names that differ from the name of the distribution.
DISTRIBUTIONS = {
    "absl": "absl-py",
    "tensorflow_datasets": "tensorflow-datasets",
}


@pytest.fixture(scope="module")
def arguments():
    """The keyword arguments setup.py gives to setuptools."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    return setup.call_args.kwargs


@pytest.fixture(scope="module")
def requirements(arguments):
    texts = list(arguments["install_requires"])
    for extra in arguments["extras_require"].values():
        texts += extra
    return [Requirement(text) for text in texts]


def pins(python):
    """Maps name -> list of versions that constraints.txt has for a Python."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            environment = {"python_version": python}
            if pin.marker is None or pin.marker.evaluate(environment):
                name = canonicalize_name(pin.name)
                found.setdefault(name, []).append(str(pin.specifier))
    return found


def test_version_is_that_of_the_package(arguments):
    assert arguments["version"] == enas.__version__


def test_all_packages_are_found(arguments):
    inits = (ROOT / "src").rglob("__init__.py")
    names = {
        ".".join(path.parent.relative_to(ROOT / "src").parts) for path in inits
    }
    assert set(arguments["packages"]) == names


def test_folders_with_modules_are_packages():
    for path in (ROOT / "src" / "enas").rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


def test_data_files_are_installed(arguments):
    patterns = arguments["package_data"][""]
    for path in (ROOT / "src" / "enas").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert any(path.match(pattern) for pattern in patterns), path


def test_imports_are_declared(requirements):
    declared = {canonicalize_name(each.name) for each in requirements}
    known = {"enas", *sys.stdlib_module_names}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            for name in {module.split(".")[0] for module in modules} - known:
                distribution = DISTRIBUTIONS.get(name, name)
                assert canonicalize_name(distribution) in declared, (
                    f"{path} imports {name}, which setup.py does not declare"
                )


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_every_requirement(requirements, python):
    found = pins(python)
    for each in requirements:
        specifiers = found.get(canonicalize_name(each.name), [])
        assert len(specifiers) == 1, f"{each.name}: {specifiers}"
        assert specifiers[0].startswith("==")
        version = specifiers[0].removeprefix("==")
        assert each.specifier.contains(version), f"{each} but =={version}"


def test_constraints_pin_what_requirements_require(requirements):
    """Follows the metadata of what is installed, wherever that leads."""
    found = pins(f"{sys.version_info.major}.{sys.version_info.minor}")
    # The CUDA libraries are not pinned.
    waiting = [
        (canonicalize_name(each.name), frozenset(each.extras - {"and-cuda"}))
        for each in requirements
    ]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        assert name in found, f"constraints.txt has no line for {name}"
        try:
            texts = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for each in map(Requirement, texts):
            if each.marker is None or any(
                each.marker.evaluate({"extra": extra})
                for extra in extras or {""}
            ):
                waiting.append(
                    (canonicalize_name(each.name), frozenset(each.extras))
                )


def test_and_cuda_is_the_same_tensorflow(arguments):
    (plain,) = [
        Requirement(text)
        for text in arguments["install_requires"]
        if Requirement(text).name == "tensorflow"
    ]
    (cuda,) = map(Requirement, arguments["extras_require"]["and-cuda"])
    assert (cuda.name, cuda.extras) == ("tensorflow", {"and-cuda"})
    assert cuda.specifier == plain.specifier


def test_dockerfile_is_in_step(arguments):
    text = (ROOT / "Dockerfile").read_text()
    (python,) = re.findall(r"^FROM python:([\d.]+)-slim$", text, re.MULTILINE)
    assert SpecifierSet(arguments["python_requires"]).contains(python)
    assert python in PYTHONS
    (extra,) = re.findall(r"^ARG EXTRA=(\S+)$", text, re.MULTILINE)
    assert extra in arguments["extras_require"]
    assert "cpu" not in arguments["extras_require"], "it means no extra there"
    assert "-c constraints.txt" in text


def test_dockerfile_copies_what_dockerignore_lets_in():
    docker = (ROOT / "Dockerfile").read_text()
    copies = re.findall(r"^COPY (.+) \S+$", docker, re.MULTILINE)
    sources = {source for copy in copies for source in copy.split()}
    ignore = (ROOT / ".dockerignore").read_text()
    allowed = set(re.findall(r"^!(\S+)$", ignore, re.MULTILINE))
    assert {source.split("/")[0] for source in sources} == allowed
    for source in sources:
        assert (ROOT / source).exists(), source


def test_dockerfile_starts_a_script_that_it_copies():
    text = (ROOT / "Dockerfile").read_text()
    (words,) = re.findall(r"^ENTRYPOINT (\[.+\])$", text, re.MULTILINE)
    program, script = ast.literal_eval(words)
    assert program == "bash" and (ROOT / script).exists()
    assert re.search(r"^COPY scripts scripts$", text, re.MULTILINE)
    # What the script reads and writes lies on the volumes.
    (folder,) = re.findall(r"^WORKDIR (\S+)$", text, re.MULTILINE)
    (volumes,) = re.findall(r"^VOLUME (\[.+\])$", text, re.MULTILINE)
    wanted = [f"{folder}/data", f"{folder}/outputs"]
    assert ast.literal_eval(volumes) == wanted
    assert "--output_dir=outputs " in (ROOT / script).read_text()


def test_dockerfile_and_documents_give_the_same_build_arguments():
    text = (ROOT / "Dockerfile").read_text()
    declared = set(re.findall(r"^ARG (\w+)=", text, re.MULTILINE))
    for file in ("Dockerfile", "README.md"):
        words = (ROOT / file).read_text()
        given = set(re.findall(r"--build-arg (\w+)=", words))
        assert given == declared, file


def test_hadolint_finds_nothing_in_the_dockerfile():
    folder = Path(sys.executable).parent
    hadolint = shutil.which("hadolint", path=folder)
    if hadolint is None:
        pytest.skip("needs the extra `test` of setup.py")
    done = subprocess.run(
        [hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
