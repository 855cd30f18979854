"""The shell scripts: arguments, folders and messages."""

import os
import subprocess
import sys

import pytest

from enas.cifar10.arc import Arc, layers_of
from enas.cifar10.config import Config
from enas.cifar10.flags import WITHOUT_EFFECT
from script_runs import ROOT, SCRIPTS, run, write_program

SEARCH = SCRIPTS / "cifar10_macro_search.sh"


FINAL = SCRIPTS / "cifar10_macro_final.sh"


# Prints its arguments, one a line, and the variables a script exports.
PRINTER = """#!/bin/sh
printf '%s\\n' "$@"
echo "PYTHONPATH $PYTHONPATH"
echo "ENAS_DATA_DIR $ENAS_DATA_DIR"
"""


@pytest.fixture
def printer(tmp_path):
    return write_program(tmp_path / "printing python" / "python", PRINTER)


@pytest.mark.parametrize(
    "script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name
)
def test_script_parses(script):
    subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize(
    "script", sorted(SCRIPTS.glob("[!_]*.sh")), ids=lambda path: path.name
)
def test_script_stops_at_errors_and_sets_itself_up(script):
    text = script.read_text()
    assert "\nset -euo pipefail\n" in text
    assert "/_setup.sh" in text
    assert os.access(script, os.X_OK)


def test_search_gives_arguments_last(printer, tmp_path):
    done = run(
        SEARCH,
        "--seed=7",
        "--name=two words",
        cwd=tmp_path,
        ENAS_PYTHON=printer,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["-m", "enas.cifar10.main"]
    assert "--seed=69" in lines
    assert lines[-4:-2] == ["--seed=7", "--name=two words"]


def test_search_spells_out_flags_that_exist(printer, tmp_path):
    done = run(SEARCH, cwd=tmp_path, ENAS_PYTHON=printer)
    given = [
        line[2:].partition("=")[0]
        for line in done.stdout.splitlines()
        if line.startswith("--")
    ]
    assert len(given) == len(set(given))
    assert set(given) <= set(Config.__dataclass_fields__) | set(WITHOUT_EFFECT)


def test_final_spells_out_flags_that_exist(printer, tmp_path):
    done = run(FINAL, "--seed=7", cwd=tmp_path, ENAS_PYTHON=printer)
    assert done.returncode == 0, done.stderr
    given = [
        line[2:].partition("=")[0].removeprefix("no")
        for line in done.stdout.splitlines()
        if line.startswith("--")
    ]
    assert set(given) <= set(Config.__dataclass_fields__)
    assert len(given) == len(set(given)) + 1, "only --seed stands there twice"


def test_final_without_an_arc_is_the_published_one(printer, tmp_path):
    done = run(FINAL, cwd=tmp_path, ENAS_PYTHON=printer)
    text = done.stdout.split("--child_fixed_arc=")[1].split("--")[0]
    arc = Arc.parse(text, 24, 4)
    assert layers_of(text) == 24
    assert arc.op_ids[:4] == (0, 3, 0, 2) and sum(arc.skips) == 98


@pytest.mark.parametrize("name", ["evaluate", "export"])
def test_tools_of_a_run_take_any_arguments(name, printer, tmp_path):
    script = SCRIPTS / f"{name}.sh"
    done = run(script, "--to", "a b", cwd=tmp_path, ENAS_PYTHON=printer)
    module = f"enas.tools.{name}"
    assert done.stdout.splitlines()[:4] == ["-m", module, "--to", "a b"]


def test_search_from_another_folder(printer, tmp_path):
    done = run(SEARCH, cwd=tmp_path, ENAS_PYTHON=printer)
    assert done.stdout.splitlines()[-2:] == [
        f"PYTHONPATH {ROOT / 'src'}",
        f"ENAS_DATA_DIR {ROOT / 'data'}",
    ]
    assert done.stderr == ""


def test_exported_variables_can_be_set(printer, tmp_path):
    done = run(
        SEARCH,
        cwd=tmp_path,
        ENAS_PYTHON=printer,
        PYTHONPATH="/mine",
        ENAS_DATA_DIR="/data",
    )
    assert done.stdout.splitlines()[-2:] == [
        f"PYTHONPATH {ROOT / 'src'}:/mine",
        "ENAS_DATA_DIR /data",
    ]


def test_status_of_the_program_is_that_of_the_script(tmp_path):
    failing = write_program(tmp_path / "python", "#!/bin/sh\nexit 37\n")
    assert run(SEARCH, cwd=tmp_path, ENAS_PYTHON=failing).returncode == 37


def test_given_python_may_be_relative_or_a_name(printer, tmp_path):
    relative = run(SEARCH, cwd=printer.parent, ENAS_PYTHON="./python")
    assert relative.returncode == 0, relative.stderr
    printer.rename(printer.with_name("my-python"))
    path = f"{printer.parent}:{os.environ['PATH']}"
    by_name = run(SEARCH, cwd=tmp_path, ENAS_PYTHON="my-python", PATH=path)
    assert by_name.stdout == relative.stdout


def test_given_python_finds_the_package(tmp_path):
    script = tmp_path / "script.sh"
    script.write_text(
        f"set -euo pipefail\nsource '{SCRIPTS}/_setup.sh'\n"
        '"$PYTHON" -c "import enas; print(enas.__file__)"\n'
    )
    done = run(script, cwd=tmp_path, ENAS_PYTHON=sys.executable)
    assert done.stdout.strip() == str(ROOT / "src" / "enas" / "__init__.py")


@pytest.mark.parametrize("name", ["/no/such/python", "no-such-python", "/"])
def test_given_python_that_does_not_exist(name, tmp_path):
    done = run(SEARCH, cwd=tmp_path, ENAS_PYTHON=name)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"enas: ENAS_PYTHON is '{name}', which")
    assert done.stderr.count("\n") == 1


def test_ci_runs_the_test_script():
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert "bash scripts/test.sh" in ci.read_text()
