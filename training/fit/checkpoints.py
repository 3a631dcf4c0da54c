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

FROZEN, FINE_TUNE, DONE = "frozen", "fine_tune", "done"


@dataclass
class Progress:
    """The state of a run: the current phase, its finished epochs, and one row of figures per epoch."""

    phase: str = FROZEN
    finished_epochs: int = 0
    best_validation_loss: float | None = None
    epochs_without_gain: int = 0
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

    def start_phase(self, run: RunFolder, phase: str) -> None:
        """Start a phase. It must beat the best network of the previous one."""
        self.phase, self.finished_epochs, self.epochs_without_gain = phase, 0, 0
        old, self.weights_file = self.weights_file, None
        self.write(run)
        if old:
            (run.path / old).unlink(missing_ok=True)


class SaveEachEpoch(keras.callbacks.Callback):
    """After each epoch: keep the best network, the last weights with the optimizer's state, and the figures."""

    def __init__(
        self, run: RunFolder, network: keras.Model, progress: Progress, patience: int,
        average_from: int | None = None, twin: keras.Model | None = None,
    ) -> None:  # fmt: skip
        """Save `network` in the run. It shares its layers with the trained model, or takes the weights of its `twin`.

        average_from: the first averaged epoch, counted from 0.
        """
        super().__init__()
        self._run, self._network, self._progress, self._patience = run, network, progress, patience
        self._average_from, self._twin = average_from, twin
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        """Start the clock; the history records the seconds of each epoch."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write new files first, then the state that names them: a kill loses at most one epoch."""
        progress, figures = self._progress, {name: round(float(v), 5) for name, v in (logs or {}).items()}
        seconds = round(time.monotonic() - self._started, 1)
        progress.history.append({"phase": progress.phase, "epoch": epoch + 1, **figures, "seconds": seconds})
        if self._twin:
            self._network.set_weights(self._twin.get_weights())
        self._keep_best(figures.get("val_probabilities_loss", figures["val_loss"]))
        old_average = self._average(epoch)
        old, progress.weights_file = progress.weights_file, self._run.weights_file(progress.phase, epoch + 1).name
        self.model.save_weights(self._run.path / progress.weights_file)
        progress.finished_epochs = epoch + 1
        progress.write(self._run)
        for name in (old, old_average):
            if name:
                (self._run.path / name).unlink(missing_ok=True)
        if progress.epochs_without_gain >= self._patience:
            self.model.stop_training = True

    def _average(self, epoch: int) -> str | None:
        """Add this epoch's weights to the average. Return the name of the file that is no longer needed."""
        progress = self._progress
        if self._average_from is None or epoch < self._average_from:
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

    def _keep_best(self, validation_loss: float) -> None:
        best = self._progress.best_validation_loss
        if best is None or validation_loss < best:
            self._run.save_network(self._network)
            self._progress.best_validation_loss, self._progress.epochs_without_gain = validation_loss, 0
        else:
            self._progress.epochs_without_gain += 1


def read_average(file: Path) -> list[NDArray[np.float32]]:
    """Read the averaged weights in Keras's order."""
    with np.load(file) as stored:
        return [stored[f"arr_{i}"] for i in range(len(stored.files))]
