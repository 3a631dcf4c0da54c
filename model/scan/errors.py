"""Errors that stop a whole scan. An error of one file becomes its row instead."""


class ScanError(Exception):
    """The scan cannot start or continue. `str(error)` says what to do."""


class MissingPackage(ScanError):
    """A package of an optional part is not installed."""

    def __init__(self, package: str, requirements: str) -> None:
        super().__init__(
            f"This command needs the package {package}, which is not installed. "
            f"Install it with: pip install -r {requirements}"
        )
