"""Scripts started as a user would, with other programs first on PATH."""

import os
import subprocess

import helpers

ROOT = helpers.ROOT


SCRIPTS = ROOT / "scripts"


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def environment(**changes):
    """This process's variables without those that steer the scripts."""
    steering = ("ENAS_PYTHON", "ENAS_DATA_DIR", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if k not in steering}
    return kept | {key: str(value) for key, value in changes.items()}


def run(script, *arguments, cwd, **changes):
    return subprocess.run(
        ["bash", str(script), *arguments],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=30,
    )
