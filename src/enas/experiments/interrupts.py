"""How a sweep is stopped."""

import contextlib
import signal

__all__ = ["terminate_as_interrupt"]


@contextlib.contextmanager
def terminate_as_interrupt():
    """Lets SIGTERM end the sweep as Ctrl-C does."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
