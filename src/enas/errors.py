"""The one kind of error that a user can cause. No TensorFlow here."""

__all__ = ["UserError"]


class UserError(ValueError):
    """A mistake in flags, files or arcs, told in one paragraph.

    The message says what was wrong, what is legal, what was received and what
    to do. Programs print it without a traceback and exit with code 2.
    """
