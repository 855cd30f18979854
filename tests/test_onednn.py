"""oneDNN's kernels, which searches use, against the recorded numbers.

TensorFlow reads the choice once, so this runs in a process of its own.
"""

import os
import shutil
import subprocess
import sys

from helpers import GOLDEN


def test_with_onednn_the_recorded_numbers_are_met_and_nothing_is_warned_of(
    tmp_path,
):
    # Logits within 1e-4 of up to 40: what other recordings allow as well.
    (tmp_path / "enas").mkdir()
    for name in ("child_intended.npz", "controller.npz"):
        shutil.copy(GOLDEN / "enas" / name, tmp_path / "enas")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "enas.parity.diff_enas",
            "recordings",
            str(tmp_path),
        ],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "2 recordings, 0 quantities missed"
    assert done.returncode == 0
    assert done.stderr == ""
