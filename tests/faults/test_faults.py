"""A search that is killed, stopped and goes on, as one left alone.

The quick part of scripts/faults.sh: one process killed within the child's
epoch, one stopped in the controller's phase, one that ends.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from enas.cifar10.main import main
from faults import __main__ as faults
from faults import fingerprint
from faults.configurations import arguments_of
from faults.soak import verdict
from helpers import FEW_OPS

EPOCHS = 1


def arguments(run):
    return arguments_of("copies", EPOCHS, run, FEW_OPS)


def wait_for(log, words, process):
    """Waits until a search has logged some words."""
    for _ in range(12_000):
        if log.exists() and words in log.read_text():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f"no {words} in {log}")


def start(run, words):
    """Starts a search and waits until it has logged some words."""
    argv = arguments(run)
    process = subprocess.Popen(
        [sys.executable, "-m", "enas.cifar10.main", *argv[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(run / "stdout", words, process)
    return process


def listening(pid):
    """Returns the sockets of a process that wait for connections."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as stream:
            for line in list(stream)[1:]:
                cells = line.split()
                if cells[3] == "0A" and f"socket:[{cells[9]}]" in inodes:
                    found.append(line)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


def test_killed_stopped_and_continued_it_ends_as_if_left_alone(folder):
    run = folder / "harmed"
    killed = start(run, "ch_step=3 ")
    assert listening(killed.pid) == []
    killed.kill()
    killed.communicate()
    stopped = start(run, "ctrl_step=1 ")
    stopped.send_signal(signal.SIGTERM)
    _, text = stopped.communicate()
    assert stopped.returncode == 143
    last = text.strip().splitlines()[-1]
    assert "Stopped by SIGTERM" in last and "same command resumes" in last
    log = (run / "stdout").read_text()
    assert "taking it over" in log and "and after child step 2" in log
    assert main(arguments(run)) == 0
    alone = folder / "alone"
    assert main(arguments(alone)) == 0
    for name in (run, alone):
        fingerprint.write(str(name), f"{name}.json")
    wanted, found = (fingerprint.read(f"{name}.json") for name in (alone, run))
    assert fingerprint.differences(wanted, found) == {}
    assert len(wanted["rows"]) == EPOCHS and len(wanted["events"]) > 10


def test_differences_are_found():
    one = {"rows": [{"epoch": "1"}], "tensors": {"w": "a"}, "arcs": ["x"]}
    two = {"rows": [], "tensors": {"w": "b"}, "arcs": ["x"]}
    assert fingerprint.differences(one, two) == {
        "rows": "1 entries became 0",
        "tensors": "('w', 'a') became ('w', 'b')",
    }


def test_a_soak_that_grows_is_told_from_one_that_does_not():
    samples = [
        {
            "epoch": epoch,
            "seconds_child": 0.1,
            "cpu_seconds": 0.2 * epoch,
            "resident_kb": 1000 + 20 * (epoch > 30),
            "threads": 9,
            "files": 7,
            "run_bytes": 100,
        }
        for epoch in range(1, 301)
    ]
    lines, good = verdict(samples)
    assert good and "(+2.00%)" in lines[1]
    samples[-1]["resident_kb"] = 1031
    assert not verdict(samples)[1]
    samples[-1] |= {"resident_kb": 1000, "files": 8}
    assert not verdict(samples)[1]
    samples[-1] |= {"files": 7, "cpu_seconds": 80.0}
    assert not verdict(samples)[1]


def test_every_verb_has_its_arguments(capsys):
    with pytest.raises(SystemExit) as leaving:
        faults.main(["--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in faults.VERBS)
