"""A process that is asked for measurements, one JSON line at a time.

The flags of its search come in the first line; every further line is
[method of `Subject`, arguments ..], and is answered by one line.
"""

import json
import os
import sys

from enas import tf_settings
from enas.bench.options import read_config

__all__ = ["main"]


def main():
    """Answers until its input ends.

    Returns:
      int, exit code, 0.
    """
    # What TensorFlow prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with tf_settings.quiet_import():
        from enas.bench.subject import Subject
        from enas.devices import find_devices

        find_devices()
    subject = Subject(read_config(json.loads(sys.stdin.readline())))
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(subject, method)(*arguments)), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
