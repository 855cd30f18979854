"""Keeps a second process out of a run directory. No TensorFlow here."""

import errno
import fcntl
import json
import os
import socket
import time
from typing import Any

from enas.errors import UserError, naming
from enas.utils import Say

NOT_HELD = -1
_FLAGS = os.O_RDWR | os.O_CREAT
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

    def take(self, log: Say) -> None:
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

    def _take(self) -> bool:
        """Returns whether the file system has locks."""
        try:
            self._descriptor = open_locked(self.path)
            return True
        except BlockingIOError:
            with open(self.path, "rb") as stream:
                holder = _read(stream.fileno())
            raise UserError(
                f"--output_dir={os.path.dirname(self.path)} is in use by "
                f"process {holder.get('pid', '(unknown)')} on "
                f"{holder.get('host', 'unknown')}, since "
                f"{holder.get('since', 'unknown')}. One process at a time runs"
                " a search: wait for it, stop it (kill and its number, its "
                "state is saved), or give another --output_dir."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self._descriptor = os.open(self.path, _FLAGS, 0o644)
            return False

    def release(self) -> None:
        """Lets go, if it is held."""
        if self._descriptor != NOT_HELD:
            os.ftruncate(self._descriptor, 0)
            self._close()

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = NOT_HELD


def open_locked(path: str) -> int:
    """Returns a descriptor of a file, which need not exist, and locks it.

    The lock holds until it is closed, and in every process that inherits it.

    Raises:
      BlockingIOError: another process holds it.
      OSError: it cannot be opened, or its file system has no locks.
    """
    descriptor = os.open(path, _FLAGS, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _read(descriptor: int) -> dict[str, Any]:
    """Returns who signed; {} if nobody has or it is unreadable."""
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
