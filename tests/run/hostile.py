"""Drawn input for the tests of hostile and broken input.

A few cases of each property run with the ordinary tests; ENAS_FAULT_CASES
says how many in the fault harness, which counts them.
"""

import contextlib
import io
import os
import pathlib
import shutil

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enas.cifar10.main import main
from enas.errors import UserError

CASES = int(os.environ.get("ENAS_FAULT_CASES", "8"))


def hostile(what, **strategies):
    """Runs a test on drawn input and prints how many cases it was given."""

    def decorate(function):
        done = []
        parameters = ", ".join(strategies)

        @settings(
            max_examples=CASES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(**strategies)
        def cases(**drawn):
            done.append(1)
            function(**drawn)

        def test(untrained):
            del untrained
            try:
                cases()
            finally:
                print(f"\n{len(done)} cases of {what}")

        test.__doc__ = f"{function.__doc__} ({parameters})"
        return test

    return decorate


def listing():
    return {
        path: path.is_file() and path.read_bytes()
        for path in pathlib.Path().rglob("*")
    }


def searches(*arguments):
    """Runs the program, which must accept, or refuse and write nothing."""
    shutil.rmtree("run", ignore_errors=True)
    before = listing()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["search", "--dataset=shapes", *arguments])
    assert code in (0, 2), err.getvalue()
    if code == 2:
        # absl warns of a flagfile that names itself, and reads it once.
        told = [
            line
            for line in err.getvalue().splitlines()
            if not line.startswith("Warning: Hit circular flagfile")
        ]
        assert told[0].startswith("error: "), told
        assert listing() == before


def refused_or(function, *arguments):
    """Returns what a function returns, None if it refused."""
    try:
        return function(*arguments)
    except UserError as error:
        assert str(error)
        return None


PIECES = (b"", b"\x00" * 9, b"\n", b",", b"nan", b"9" * 40)


@st.composite
def mutated(draw, data):
    """Draws bytes with pieces exchanged, cut out, doubled or zeroed."""
    data = bytes(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from(PIECES),
                st.just(data[start:stop] * 2),
            )
        )
        data = data[:start] + piece + data[stop:]
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    return data
