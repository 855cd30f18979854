"""Keeps a second process out of a run directory. No TensorFlow here."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from enas.errors import UserError, naming

NOT_HELD = -1
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """A lock on a file, held as long as the process lives.

    The kernel releases it however the process ends, so there is no stale
    lock to judge; NFS passes it on to other machines. The file names the
    holder and is emptied on release.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = NOT_HELD

    def check(self) -> None:
        """Refuses a lock that another process holds; writes nothing.

        Raises:
          UserError: one does.
        """
        if os.path.isfile(self.path):
            with naming(self.path):
                self._take()
            self._close()

    def take(self, log: Callable[[str], None]) -> None:
        """Takes the lock and writes down who holds it.

        Raises:
          UserError: another process holds it.
        """
        with naming(self.path):
            if not self._take():
                log(
                    f"warning: {self.path} is on a file system without locks: "
                    "nothing keeps a second process out of this run."
                )
            self._sign(log)

    def _take(self) -> bool:
        """Returns whether the file system has locks."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        self._descriptor = descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(descriptor)
            self._close()
            raise _busy(self.path, holder) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return False
        return True

    def _sign(self, log: Callable[[str], None]) -> None:
        dead = _read(self._descriptor)
        if dead:
            log(
                f"Process {dead.get('pid')} on {dead.get('host')} ended "
                "without releasing this run; taking it over"
            )
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)

    def release(self) -> None:
        """Lets go, if it is held."""
        if self._descriptor != NOT_HELD:
            os.ftruncate(self._descriptor, 0)
            self._close()

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = NOT_HELD


def _read(descriptor: int) -> dict[str, Any]:
    """Returns who signed, a dict, empty if nobody or if it is unreadable."""
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _busy(path: str, holder: dict[str, Any]) -> UserError:
    return UserError(
        f"--output_dir={os.path.dirname(path)} is in use by process "
        f"{holder.get('pid', '(unknown)')} on {holder.get('host', 'unknown')}"
        f", since {holder.get('since', 'unknown')}. One process at a time runs"
        " a search: wait for it, stop it (kill and its number, its state is "
        "saved), or give another --output_dir."
    )
