"""The set-up that every script begins with.

No test here installs anything. Programs named python3.x that only pretend are
put first on PATH, and write down what they were asked to do.
"""

import os
import shutil
import signal
import subprocess
import time

import pytest

from script_runs import ROOT, SCRIPTS, environment, run, write_program

# Answers as `python -I -c`, `python -I -m venv` and `python -I -m pip` would.
# Every `pip install` adds its arguments to $CALLS; while the file $PIP_FAILS
# exists, it fails; it takes $PIP_SECONDS.
PRETENDER = """#!/bin/sh
case "$*" in
  --version) echo "Python 3.11.0" ;;
  "-I -c "*) exit 0 ;;
  "-I -m venv --clear "*)
    rm -rf "$5"
    mkdir -p "$5/bin"
    cp "$0" "$5/bin/python"
    echo "version = 3.11.0" > "$5/pyvenv.cfg" ;;
  "-I -m pip --version") exit 0 ;;
  "-I -m pip install "*)
    echo "$*" >> "$CALLS"
    sleep "${PIP_SECONDS:-0}"
    if [ -e "$PIP_FAILS" ]; then echo "ERROR: no network"; exit 1; fi ;;
  *) printf 'ran %s\\n' "$*" ;;
esac
"""


class Copy:
    """A copy of the set-up in a fresh folder, with pretending Pythons."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = folder.parent / "programs"
        self.calls = folder.parent / "calls"
        self.failing = folder.parent / "failing"
        self.venv = folder / ".venv"
        self.stamp = self.venv / "enas-setup-done"
        (folder / "scripts").mkdir(parents=True)
        for name in ("setup.py", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        shutil.copy(SCRIPTS / "_setup.sh", folder / "scripts")
        source = 'source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"\n'
        start = 'exec "$PYTHON" "$@"\n'
        head = "set -euo pipefail\n"
        self.script = folder / "scripts" / "start.sh"
        self.script.write_text(head + source + start)
        self.testing = folder / "scripts" / "testing.sh"
        self.testing.write_text(head + "setup_extras=test\n" + source + start)
        self.python("python3.11")
        # A machine with a GPU must give the same results.
        write_program(self.programs / "nvidia-smi", "#!/bin/sh\nexit 9\n")

    def python(self, name, text=PRETENDER):
        return write_program(self.programs / name, text)

    def variables(self, **changes):
        path = f"{self.programs}:{os.environ['PATH']}"
        defaults = {
            "PATH": path,
            "CALLS": self.calls,
            "PIP_FAILS": self.failing,
        }
        return defaults | changes

    def start(self, *arguments, script=None, **changes):
        return run(
            script or self.script,
            *arguments,
            cwd=self.folder.parent,
            **self.variables(**changes),
        )

    def begin(self, **changes):
        """Starts without waiting, in a process group of its own."""
        return subprocess.Popen(
            ["bash", str(self.script), "hello"],
            env=environment(**self.variables(**changes)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_pip(self):
        deadline = time.monotonic() + 20
        while not self.calls.exists():
            assert time.monotonic() < deadline, "pip was never called"
            time.sleep(0.02)

    def installs(self):
        if not self.calls.exists():
            return []
        return self.calls.read_text().splitlines()


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path / "a repo")


def test_first_start_installs_and_second_does_not(copy):
    first = copy.start("hello")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "ran hello\n"
    assert all(line.startswith("enas: ") for line in first.stderr.splitlines())
    (call,) = copy.installs()
    assert call.endswith("-c constraints.txt -e .")
    second = copy.start("again")
    assert (second.stdout, second.stderr) == ("ran again\n", "")
    assert len(copy.installs()) == 1


def test_test_extra_is_installed_when_wanted_and_kept(copy):
    copy.start()
    copy.start(script=copy.testing)
    copy.start()
    copy.start(script=copy.testing)
    assert [call.split()[-1] for call in copy.installs()] == [".", ".[test]"]


def test_cuda_is_installed_where_nvidia_smi_answers(copy):
    write_program(copy.programs / "uname", "#!/bin/sh\necho Linux x86_64\n")
    copy.start(script=copy.testing)
    write_program(copy.programs / "nvidia-smi", "#!/bin/sh\nexit 0\n")
    copy.start()
    copy.start(script=copy.testing)
    targets = [call.split()[-1] for call in copy.installs()]
    assert targets == [".[test]", ".[test,and-cuda]"]


@pytest.mark.parametrize("name", ["setup.py", "constraints.txt"])
def test_change_installs_again(copy, name):
    copy.start()
    with open(copy.folder / name, "a") as file:
        file.write("# changed\n")
    copy.start()
    copy.start()
    assert len(copy.installs()) == 2


def test_moved_folder_installs_again(copy):
    copy.start()
    moved = copy.folder.rename(copy.folder.with_name("moved"))
    copy.start(script=moved / "scripts" / "start.sh")
    assert len(copy.installs()) == 2


def test_failed_install_is_shown_and_tried_again(copy):
    copy.failing.touch()
    first = copy.start("hello")
    assert first.returncode == 1
    assert first.stdout == ""
    assert "ERROR: no network" in first.stderr
    assert "enas: pip could not install the packages." in first.stderr
    assert not copy.stamp.exists()
    copy.failing.unlink()
    assert copy.start("hello").stdout == "ran hello\n"
    assert len(copy.installs()) == 2


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_install_is_done_again(copy, sign):
    process = copy.begin(PIP_SECONDS=20)
    copy.wait_for_pip()
    os.killpg(process.pid, sign)
    process.communicate()
    assert process.returncode not in (0, None)
    assert not copy.stamp.exists()
    assert copy.start("hello").stdout == "ran hello\n"
    assert len(copy.installs()) == 2


@pytest.mark.skipif(not shutil.which("flock"), reason="needs flock")
def test_two_starts_at_once_install_once(copy):
    first = copy.begin(PIP_SECONDS=1)
    copy.wait_for_pip()
    second = copy.begin(PIP_SECONDS=1)
    outputs = [each.communicate() for each in (first, second)]
    assert [output[0] for output in outputs] == ["ran hello\n"] * 2
    assert "waiting" in outputs[1][1]
    assert len(copy.installs()) == 1


def test_venv_without_its_python_is_made_anew(copy):
    copy.start()
    python = copy.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    assert copy.start("hello").stdout == "ran hello\n"


def test_a_venv_made_by_other_means_is_used(copy):
    """One of conda has no pyvenv.cfg."""
    write_program(copy.venv / "bin" / "python", PRETENDER)
    done = copy.start("hello")
    assert done.returncode == 0 and done.stdout == "ran hello\n"
    assert len(copy.installs()) == 1


def test_shim_that_fails_is_passed_over(copy):
    copy.python("python3.11", "#!/bin/sh\necho 'not found' >&2\nexit 127\n")
    copy.python("python3.12")
    assert copy.start("hello").stdout == "ran hello\n"


def only_programs(copy):
    """A PATH with the few tools the set-up needs and no other Python."""
    for tool in ("bash", "cat", "dirname", "sh", "uname"):
        (copy.programs / tool).symlink_to(shutil.which(tool))
    return str(copy.programs)


def test_no_python_at_all(copy):
    (copy.programs / "python3.11").unlink()
    done = copy.start(PATH=only_programs(copy))
    assert done.returncode == 2
    assert done.stderr.startswith("enas: no Python 3.10 to 3.13 found")
    assert not copy.venv.exists()


def test_python_without_venv(copy):
    refuse = '"-I -c import ensurepip"*) exit 1 ;;\n  "-I -c "*)'
    text = PRETENDER.replace('"-I -c "*)', refuse)
    copy.python("python3.11", text)
    done = copy.start(PATH=only_programs(copy))
    assert done.returncode == 2
    assert "enas: python3.11 has no venv module." in done.stderr
    assert "sudo apt install python3.11-venv" in done.stderr
