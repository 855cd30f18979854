"""Keeps a second process out of a run directory. No TensorFlow here.

The kernel releases the lock however the process ends; NFS passes it on to other
machines.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from enas.errors import UserError, naming
from enas.utils import Say, quiet

_FLAGS = os.O_RDWR | os.O_CREAT
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def check(path: str) -> None:
    """Refuses a lock that another process holds, with a UserError."""
    if os.path.isfile(path):
        os.close(_opened(path, quiet))


@contextlib.contextmanager
def held(path: str, log: Say) -> Iterator[None]:
    """Holds the lock, whose file says who does, or raises UserError."""
    descriptor = _opened(path, log)
    try:
        with naming(path):
            if dead := _read(descriptor):
                log(
                    f"Process {dead.get('pid')} on {dead.get('host')} ended "
                    "without releasing this run; taking it over"
                )
            holder = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


@contextlib.contextmanager
def waited(path: str) -> Iterator[None]:
    """Holds a lock for a moment, as soon as no other process does.

    Where a file system has no locks, nobody waits.
    """
    with open(path, "ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


def open_locked(path: str) -> int:
    """Returns a descriptor of a file, made if need be, that is locked.

    The lock lasts until every process that has the descriptor closed it.

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


def _opened(path: str, log: Say) -> int:
    """Returns a descriptor, locked if the file system has locks."""
    with naming(path):
        try:
            return open_locked(path)
        except BlockingIOError:
            with open(path, "rb") as stream:
                holder = _read(stream.fileno())
            raise UserError(
                f"--output_dir={os.path.dirname(path)} is in use by process "
                f"{holder.get('pid', '(unknown)')} on "
                f"{holder.get('host', 'unknown')}, since "
                f"{holder.get('since', 'unknown')}. One process at a time runs"
                " a search: wait for it, stop it (kill and its number, its "
                "state is saved), or give another --output_dir."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log(
                f"warning: {path} is on a file system without locks: nothing "
                "keeps a second process out of this run."
            )
            return os.open(path, _FLAGS, 0o644)


def _read(descriptor: int) -> dict[str, Any]:
    """Returns who signed; {} if nobody has or it is unreadable."""
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
