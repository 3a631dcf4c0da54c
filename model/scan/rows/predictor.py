"""From units to rows: reading ahead in threads, decoding in child processes, prediction in batches of one size."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.answers.prediction import Prediction
from model.answers.volume import summarize
from model.errors import ImageError
from model.network.classifier import Classifier
from model.preprocessing import HeadBox
from model.records import Row, answer_cells, model_cells, refused_cells
from model.sandbox.readers import Readers
from model.scan.listing.units import Unit
from model.scan.rows.ahead import ahead
from model.scan.rows.preparing import Prepared, PreparedUnit, Preparer

# Least number of files to start ahead of their turn: enough to bridge a slow one.
_FEWEST_WAITING = 32
# Cells of a row before any result is known.
_BLANK: Row = {"format": "", "n_slices": 0, "notes": "", "answer": "", "error_code": "", "error": ""}


@dataclass(frozen=True)
class Effort:
    """How much of the machine a scan takes.

    n_decoders: decoding processes. batch: slices that are predicted in one pass. decoder_memory_mb: address space of a
    decoding process. seconds_per_file: time limit for one file.
    """

    n_decoders: int = 2
    batch: int = 16
    decoder_memory_mb: int = 4000
    seconds_per_file: float = 300.0


class _Open:
    """A unit whose slices are not all predicted yet, with the predictions of each part of it."""

    def __init__(self, prepared: PreparedUnit) -> None:
        self.unit, self.parts = prepared.unit, prepared.parts
        self.predictions: list[list[Prediction]] = [[] for _ in self.parts]
        self.n_left = sum(len(part.pixels) for part in self.parts)


# An open unit, which of its parts, and one slice of this part.
_Waiting = tuple[_Open, int, NDArray[np.uint8]]


class Predictor:
    """Turns units into rows. To be used in a `with` statement.

    Every pass has the same number of slices, the last one filled up with black: with passes of several sizes, a
    slice's probabilities could depend in their last digits on the slices that it came with.
    """

    def __init__(self, classifier: Classifier, effort: Effort) -> None:
        self._classifier, self._batch = classifier, effort.batch
        memory_bytes = 1_000_000 * effort.decoder_memory_mb
        # What a decoder prints about a strange file goes to the scan's log.
        self._readers = Readers(effort.n_decoders, effort.seconds_per_file, memory_bytes, log=None)
        self._prepare, self._n_threads = Preparer(classifier.card.input_size_px, self._readers), effort.n_decoders

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *_: object) -> None:
        self._readers.close()

    def rows(self, units: Iterable[Unit]) -> Iterator[list[Row]]:
        """Yield the rows of every unit, in the order in which units are done.

        Raises:
            ScanError: the decoding processes do not start.
        """
        waiting: list[_Waiting] = []
        n_waiting = max(_FEWEST_WAITING, 2 * self._batch)
        self._prepare.require_readers()
        for prepared in ahead(self._prepare, units, self._n_threads, n_waiting, _n_files):
            opened = _Open(prepared)
            if not opened.n_left:
                yield self._rows(opened)
            waiting += [(opened, i, pixels) for i, part in enumerate(opened.parts) for pixels in part.pixels]
            while len(waiting) >= self._batch:
                yield from self._predict(waiting[: self._batch])
                del waiting[: self._batch]
        if waiting:
            yield from self._predict(waiting)

    def _predict(self, waiting: Sequence[_Waiting]) -> Iterator[list[Row]]:
        size = self._classifier.card.input_size_px
        filled = np.zeros((self._batch, size, size, 1), np.uint8)
        filled[: len(waiting), :, :, 0] = [pixels for _, _, pixels in waiting]
        for (opened, i, _), prediction in zip(waiting, predictions_of(self._classifier, filled), strict=False):
            opened.predictions[i].append(prediction)
            opened.n_left -= 1
            if not opened.n_left:
                yield self._rows(opened)

    def _rows(self, opened: _Open) -> list[Row]:
        parts = zip(opened.parts, opened.predictions, strict=True)
        rows = [self._row(part, predictions) for part, predictions in parts]
        n_before: Counter[str] = Counter()
        for part, row in zip(opened.parts, rows, strict=True):
            # A file of several stacks has several rows.
            name = part.files[0].id
            row["id"] = part.files[0].id_of_stack(n_before[name])
            n_before[name] += 1
        unit = {"unit": opened.unit.id, "unit_version": opened.unit.version, "unit_files": 0}
        rows = [row | unit for row in rows]
        rows[0]["unit_files"] = len(opened.unit.files)
        return rows

    def _row(self, part: Prepared, predictions: Sequence[Prediction]) -> Row:
        file = part.files[0]
        sizes = [file.size_bytes for file in part.files]
        row: Row = _BLANK | {
            "path": file.shown, "size_bytes": -1 if -1 in sizes else sum(sizes),
            "version": file.version, "n_files": len(part.files), **part.cells, **model_cells(self._classifier.card),
        }  # fmt: skip
        if row["error_code"]:
            return row
        try:
            is_volume = row["kind"] == "volume"
            return row | answer_cells(summarize(predictions, part.slice_indices) if is_volume else predictions[0])
        except ImageError as error:
            return row | refused_cells(error.code, error.sentence)


def _n_files(unit: Unit) -> int:
    return len(unit.files)


def predictions_of(classifier: Classifier, inputs: NDArray[np.uint8]) -> list[Prediction]:
    """Classify what `preprocess` made of images: uint8, shape (n, size, size, 1). The answers have no feature maps.

    These are for drawings of the evidence; those of all slices of a volume would take most of the memory.
    """
    size = classifier.card.input_size_px
    outputs = classifier.predict_inputs(inputs)
    predictions = classifier.predictions(outputs, [HeadBox(0, size, 0, size)] * len(inputs))
    return [prediction.without_maps() for prediction in predictions]
