"""What stops a scan as a whole. What is wrong with one file becomes its row instead."""


class ScanError(Exception):
    """The scan cannot start or go on. `str(error)` tells the person who started it what to do."""


class MissingPackage(ScanError):
    """A package of an optional part is not installed."""

    def __init__(self, package: str, requirements: str) -> None:
        super().__init__(
            f"Expected the package {package}, which only this command needs. It is not installed. "
            f"Install it with: pip install -r {requirements}"
        )
