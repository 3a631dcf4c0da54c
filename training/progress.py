"""What a run remembers after each epoch, so that a killed one goes on where it was."""

import csv
import dataclasses
import io
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from model.card import write_atomically

FROZEN, FINE_TUNE, DONE = "frozen", "fine_tune", "done"


@dataclass
class Progress:
    """The state of a run: the phase under way, its finished epochs, and one row of figures per epoch so far."""

    phase: str = FROZEN
    finished_epochs: int = 0
    best_validation_loss: float | None = None
    epochs_without_gain: int = 0
    weights_file: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, run: Path) -> "Progress":
        """Read what the run left; a fresh state where it left nothing."""
        file = run / "progress.json"
        return cls(**json.loads(file.read_text())) if file.is_file() else cls()

    def write(self, run: Path) -> None:
        """Write the state and the history table, each in one step."""
        write_atomically(run / "progress.json", json.dumps(dataclasses.asdict(self), indent=1).encode())
        if self.history:
            table = io.StringIO()
            writer = csv.DictWriter(table, list(self.history[0]))
            writer.writeheader()
            writer.writerows(self.history)
            write_atomically(run / "history.csv", table.getvalue().encode())

    def start_phase(self, run: Path, phase: str) -> None:
        """Move on to a phase. What the last one held best stays the best to beat."""
        self.phase, self.finished_epochs, self.epochs_without_gain = phase, 0, 0
        old, self.weights_file = self.weights_file, None
        self.write(run)
        if old:
            (run / old).unlink(missing_ok=True)


class SaveEachEpoch(keras.callbacks.Callback):
    """After each epoch: keep the best network, the last weights with the optimizer's state, and the figures."""

    def __init__(self, run: Path, network: keras.Model, progress: Progress, patience: int) -> None:
        super().__init__()
        self._run, self._network, self._progress, self._patience = run, network, progress, patience
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        """Start the clock: what a recipe takes stands in its history."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write new files first and the state that names them last: a kill loses one epoch at most."""
        progress, figures = self._progress, {name: round(float(v), 5) for name, v in (logs or {}).items()}
        seconds = round(time.monotonic() - self._started, 1)
        progress.history.append({"phase": progress.phase, "epoch": epoch + 1, **figures, "seconds": seconds})
        self._keep_best(figures["val_loss"])
        old, progress.weights_file = progress.weights_file, f"{progress.phase}-{epoch + 1}.weights.h5"
        self.model.save_weights(self._run / progress.weights_file)
        progress.finished_epochs = epoch + 1
        progress.write(self._run)
        if old:
            (self._run / old).unlink(missing_ok=True)
        if progress.epochs_without_gain >= self._patience:
            self.model.stop_training = True

    def _keep_best(self, validation_loss: float) -> None:
        best = self._progress.best_validation_loss
        if best is None or validation_loss < best:
            aside = self._run / "best.part.keras"
            # A new model around the same layers: a compiled one would take its optimizer's state into the file.
            keras.Model(self._network.input, self._network.output, name=self._network.name).save(aside)
            aside.replace(self._run / "best.keras")
            self._progress.best_validation_loss, self._progress.epochs_without_gain = validation_loss, 0
        else:
            self._progress.epochs_without_gain += 1
