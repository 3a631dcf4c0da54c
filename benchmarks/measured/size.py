"""What serving needs on disk: the packages of requirements.txt with all that they require, and the models."""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers.processes import TOP, ChildError
from benchmarks.timing import Sample

_MB = 1e6
_LARGEST = 6


def measure(plan: Plan) -> list[Finding]:
    """Add up the files that the packages' own lists name, without bytecode, in the environment that runs.

    `pip install --no-compile --target` of requirements.txt gives the same packages in the same versions, hence the same
    files, but needs minutes and a network.
    """
    packages = sorted(closure(TOP / "requirements.txt"))
    by_package = {name: sum(file.stat().st_size for file in files_of(name)) / _MB for name in packages}
    models = sum(file.stat().st_size for file in plan.network.models.iterdir() if file.is_file()) / _MB
    largest = sorted(by_package, key=lambda name: -by_package[name])[:_LARGEST]
    note = (
        f"{len(by_package)} packages take {sum(by_package.values()):.0f} MB, installed with `pip --no-compile`: Python "
        f"compiles what it imports. The models take {models:.0f} MB. The largest packages in MB: "
        + ", ".join(f"{name} {by_package[name]:.0f}" for name in largest)
        + "."
    )
    total = sum(by_package.values()) + models
    return [Finding.of_sample("size", Sample((total,)), notes=(note,), facts={"mb_by_package": by_package})]


def closure(requirements: Path) -> set[str]:
    """Return the names of the packages that a requirements file asks for, and of all that these require here.

    Raises:
        ChildError: one is not installed, or in another version than the file says.
    """
    text = requirements.read_text(encoding="utf-8")
    found: set[str] = set()
    # Hashes, if any, are on lines of their own after a backslash.
    waiting = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"[A-Za-z]", line)]
    while waiting:
        wanted = waiting.pop()
        name = _normal(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(text) for text in _installed(wanted).requires or ()]
    return found


def _installed(wanted: Requirement) -> importlib.metadata.Distribution:
    try:
        distribution = importlib.metadata.distribution(wanted.name)
    except importlib.metadata.PackageNotFoundError as error:
        raise ChildError(f"{wanted} is not installed. Run `make benchmarks`.") from error
    if not wanted.specifier.contains(distribution.version, prereleases=True):
        raise ChildError(f"Expected {wanted}, but version {distribution.version} is installed. Run `make benchmarks`.")
    return distribution


def files_of(name: str) -> list[Path]:
    """Return the files of an installed package, without the bytecode that pip may have compiled."""
    listed = importlib.metadata.distribution(name).files or ()
    paths = [Path(str(file.locate())) for file in listed if file.suffix != ".pyc"]
    return [path for path in paths if path.is_file()]


def _normal(name: str) -> str:
    """Return a package's name in one spelling. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
