"""Errors that a user can fix. The command prints only the message, without a traceback."""


class TrainingError(Exception):
    """A step cannot be done; the message says what was expected, what was received, and what to do."""


class DataError(TrainingError):
    """The data folders cannot be used; the message lists every problem found."""
