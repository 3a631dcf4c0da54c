"""Where the fault tests note what they saw, for docs/reliability.md."""

from collections.abc import Callable

from tests.support.samples import TOP

NOTES = TOP / "runs" / "faults.json"
Record = Callable[..., None]
