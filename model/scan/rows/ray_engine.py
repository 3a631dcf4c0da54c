"""The plain scan's predictor as actors of Ray Data: on one machine or on a cluster that Ray holds together.

Each actor loads the model once and takes one core, with a decoding process of its own. Ray streams the units to the
actors, restarts those that die, and gives them their units again; the driver alone writes rows, in the same parts
as the plain scan, so either resumes the other's scan. Ray's own checkpoints are not used: they know ids, but
not which files have changed since.
"""

import importlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from model.network.classifier import load_classifier
from model.records import Row
from model.scan.errors import MissingPackage, ScanError
from model.scan.listing.units import Unit
from model.scan.rows.predictor import Effort, Predictor
from model.scan.table.parts import arrow, schema

REQUIREMENTS = "requirements/ray.txt"
# Files that an actor gets at once (more where one unit has more), and loses when it dies. At the end of each, its last
# pass is not full.
_PER_CALL = 64
_TRIES = 3
# Files that are handed to Ray at a time: each call's units are an object that Ray tracks.
_PER_WAVE = 1_000_000
# Of this machine's memory, where Ray is started here: units and rows are small.
_OBJECT_STORE_BYTES = 300_000_000


class RayEngine:
    """Turns inputs into rows on a Ray cluster. To be used in a `with` statement."""

    def __init__(self, card_path: Path, effort: Effort, address: str | None, precision: str) -> None:
        """Join the cluster at an address, or start Ray on this machine where there is none.

        Raises:
            MissingPackage: Ray is not installed.
            ScanError: there is no cluster at the address.
        """
        try:
            self._ray: Any = importlib.import_module("ray")
            self._data: Any = importlib.import_module("ray.data")
        except ImportError as error:
            raise MissingPackage("ray", REQUIREMENTS) from error
        self._card_path, self._effort, self._precision = card_path, effort, precision
        self._join(address)

    def _join(self, address: str | None) -> None:
        local = {} if address else {"object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
        for remaining in reversed(range(_TRIES)):
            try:
                self._ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
                break
            # A busy machine can take longer to start Ray's processes than Ray waits: Ray raises Exception itself then.
            except Exception as error:
                self._ray.shutdown()
                if not remaining:
                    raise ScanError(f"Cannot join the Ray cluster at {address or 'this machine'}: {error}") from error
        # Ray's own progress lines would mix with ours.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = self._data.DataContext.get_current()
        context.enable_progress_bars = False

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def rows(self, units: Iterable[Unit]) -> Iterator[list[Row]]:
        """Yield the rows of all units, as the actors finish them."""
        for wave in _in_groups(units, _PER_WAVE):
            yield from self._wave(wave)

    def _wave(self, wave: list[Unit]) -> Iterator[list[Row]]:
        n_actors = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        blocks = [self._block(units) for units in _in_groups(wave, _PER_CALL)]
        dataset = self._data.from_arrow_refs(blocks).map_batches(
            RowsOfLines,
            fn_constructor_kwargs={
                "card_path": str(self._card_path), "effort": self._effort, "precision": self._precision,
            },
            batch_size=None, batch_format="pyarrow", zero_copy_batch=True, num_cpus=1,
            compute=self._data.ActorPoolStrategy(size=min(n_actors, max(1, len(blocks)))),
        )  # fmt: skip
        # A Ray block is what one call returned: whole units.
        for block in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield block.to_pylist()

    def _block(self, units: list[Unit]) -> Any:
        """Put one call's units where every node reaches them."""
        return self._ray.put(arrow().table({"line": [unit.to_line() for unit in units]}))


def _in_groups(units: Iterable[Unit], n_files: int) -> Iterator[list[Unit]]:
    """Yield units together until they have so many files."""
    group: list[Unit] = []
    n = 0
    for unit in units:
        group.append(unit)
        n += len(unit.files)
        if n >= n_files:
            yield group
            group, n = [], 0
    if group:
        yield group


class RowsOfLines:
    """The work of an actor: a predictor that lives as long as the actor."""

    def __init__(self, card_path: str, effort: Effort, precision: str) -> None:
        # Ray gave this actor one core. More threads would take those of its neighbours.
        classifier = load_classifier(Path(card_path), has_beside=False, n_threads=1, precision=precision)
        self._schema = schema(classifier.card.class_names)
        self._predictor = Predictor(classifier, effort)

    def __call__(self, lines: Any) -> Any:
        """Return a table of rows for a table of units."""
        units = [Unit.from_line(line) for line in lines.column("line").to_pylist()]
        rows = [row for of_unit in self._predictor.rows(units) for row in of_unit]
        return arrow().Table.from_pylist(rows, schema=self._schema)
