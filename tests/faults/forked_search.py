"""Searches that are started again and again, by forking, and killed.

Importing TensorFlow takes most of the start of a small search, so it is done
once and every start is forked off. Nothing of TensorFlow may have run by then.
"""

import os
import signal
import sys
import time
import traceback

from enas import tf_settings

__all__ = ["call_in_child", "kill", "start"]


def start(argv, log_path):
    """Starts the search program in a process of its own.

    Args:
      argv: list of str, the program's name first.
      log_path: str, the file that gets all that it prints.

    Returns:
      int, the process id.
    """

    def run():
        # Forked with all of this imported.
        from enas.cifar10 import main

        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        return main.main(argv)

    return _fork(run)


def call_in_child(function, *arguments):
    """Calls a function in a process of its own and waits for it.

    Raises:
      RuntimeError: the function failed; it has said why on stderr.
    """

    def run():
        with tf_settings.quiet_import():
            function(*arguments)
        return 0

    _, status = os.waitpid(_fork(run), 0)
    if status:
        raise RuntimeError(f"{function.__name__}{arguments} failed")


def _fork(function):
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = function()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Without the parent's own clean-up.
        os._exit(code)


def kill(child, moment):
    """Kills a search with SIGKILL when a moment comes, unless it ends before.

    Args:
      child: int, process id.
      moment: function without arguments; true when it has come.

    Returns:
      int, its exit code, or None if it was killed.
    """
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if moment():
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGKILL else code
        time.sleep(0.0003)
