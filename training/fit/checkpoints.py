"""Save a run's state after each epoch, for resuming a killed run.

One file, written last and atomically, names all others. Keras' BackupAndRestore, ModelCheckpoint, EarlyStopping and
CSVLogger each keep their own state, or none: a kill between two of them would count an epoch twice.
"""

import csv
import dataclasses
import io
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from model.safe_files import write_atomically
from training.fit.run_folder import RunFolder


@dataclass
class Progress:
    """The state of a run: its finished epochs, and one row of figures per epoch."""

    is_done: bool = False
    finished_epochs: int = 0
    weights_file: str | None = None
    # File with the mean of the last epochs' weights, and the number of epochs.
    average_file: str | None = None
    n_averaged: int = 0
    history: list[dict[str, float | str]] = field(default_factory=list)

    @classmethod
    def read(cls, run: RunFolder) -> "Progress":
        """Read the saved state, or return a fresh one."""
        file = run.progress_file
        return cls(**json.loads(file.read_text())) if file.is_file() else cls()

    def write(self, run: RunFolder) -> None:
        """Write the state and the history table, each atomically."""
        run.write_json(run.progress_file, dataclasses.asdict(self))
        if self.history:
            table = io.StringIO()
            writer = csv.DictWriter(table, list(self.history[0]))
            writer.writeheader()
            writer.writerows(self.history)
            write_atomically(run.history_file, table.getvalue().encode())

    def finish(self, run: RunFolder) -> None:
        """Mark the run as done, and remove what only resuming needs."""
        self.is_done = True
        old = self.weights_file, self.average_file
        self.weights_file = self.average_file = None
        self.write(run)
        for name in old:
            if name:
                (run.path / name).unlink(missing_ok=True)


class SaveEachEpoch(keras.callbacks.Callback):
    """After each epoch: save the network, the weights with the optimizer's state, their mean, and the figures."""

    def __init__(
        self, run: RunFolder, network: keras.Model, progress: Progress, average_from: int, twin: keras.Model
    ) -> None:
        """Save `network` in the run, with the weights of the trained `twin`, which may be the same.

        average_from: the first averaged epoch, counted from 0.
        """
        super().__init__()
        self._run, self._network, self._progress = run, network, progress
        self._average_from, self._twin = average_from, twin
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        """Start the clock; the history records the seconds of each epoch."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write new files first, then the state that names them: a kill loses at most one epoch."""
        progress, figures = self._progress, {name: round(float(v), 5) for name, v in (logs or {}).items()}
        seconds = round(time.monotonic() - self._started, 1)
        progress.history.append({"epoch": epoch + 1, **figures, "seconds": seconds})
        self._network.set_weights(self._twin.get_weights())
        self._run.save_network(self._network)
        old_average = self._average(epoch)
        old, progress.weights_file = progress.weights_file, self._run.weights_file(epoch + 1).name
        self.model.save_weights(self._run.path / progress.weights_file)
        progress.finished_epochs = epoch + 1
        progress.write(self._run)
        for name in (old, old_average):
            if name:
                (self._run.path / name).unlink(missing_ok=True)

    def _average(self, epoch: int) -> str | None:
        """Add this epoch's weights to the average. Return the name of the file that is no longer needed."""
        progress = self._progress
        if epoch < self._average_from:
            return None
        weights, old = self._network.get_weights(), progress.average_file
        if old:
            n = progress.n_averaged
            weights = [
                (mean * n + w) / (n + 1) for mean, w in zip(read_average(self._run.path / old), weights, strict=True)
            ]
        file = self._run.average_file(epoch + 1)
        progress.average_file, progress.n_averaged = file.name, progress.n_averaged + 1
        aside = file.with_suffix(".part.npz")
        np.savez(aside, *weights)
        aside.replace(file)
        return old


def read_average(file: Path) -> list[NDArray[np.float32]]:
    """Read the averaged weights in Keras's order."""
    with np.load(file) as stored:
        return [stored[f"arr_{i}"] for i in range(len(stored.files))]
