"""A run: the folder with a training's configuration, progress and results.

Only this module knows the names of a run's files.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.safe_files import sha256_of, write_atomically
from training.data.folders import Picture
from training.data.split import Split, SplitTable, write_split
from training.errors import DataError
from training.fit.packing import compact

RUNS = Path("runs")
# Parsed JSON of any version.
Json = dict[str, Any]


@dataclass(frozen=True)
class DataFacts:
    """The images that a run was trained on."""

    folders: list[str]
    boxes: str | None
    near_duplicates_left_out_of: list[str]
    audited: bool
    n_pictures: dict[str, int]
    n_groups: int
    n_validation: int
    fingerprint: str
    problems: list[str]


@dataclass(frozen=True)
class Config:
    """A run's options, as saved in config.json.

    recipe, data, environment: as written by this version or an earlier one; start: SHA-256 and configuration of the
    network that it started from; blended: how an earlier version averaged two networks.
    """

    recipe: Json
    quick: bool
    weights: str
    seed: int
    data: Json
    environment: Json
    precision: str = "float32"
    start: Json | None = None
    blended: Json | None = None

    @property
    def epochs(self) -> int:
        """The requested fine-tuning epochs, including those of the runs that it started from."""
        return _epochs_of(dataclasses.asdict(self))


def _epochs_of(config: Json) -> int:
    earlier = _epochs_of(config["start"]["config"]) if config.get("start") else 0
    return int(config["recipe"]["fine_tune_epochs"]) + earlier


class RunFolder:
    """The files of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Written before the first epoch.
        self.config_file, self.split_file = path / "config.json", path / "split.csv"
        # Written after each epoch.
        self.progress_file, self.history_file = path / "progress.json", path / "history.csv"
        self.network_file = path / "best.keras"
        # Written when training is done.
        self.curves_file, self.validation_file = path / "curves.png", path / "validation.json"
        # Written by `calibrate`.
        self.decision_file, self.gate_file, self.trust_file = (
            path / "decision.json", path / "gate.npz", path / "trust.json",
        )  # fmt: skip
        self.reliability_file, self.risk_coverage_file = path / "reliability.png", path / "risk_coverage.png"
        # Written by `cross-validate`: the network's answers on its held-out images.
        self.probabilities_file = path / "probabilities.npy"

    @property
    def has_begun(self) -> bool:
        """Whether the run's configuration has been written."""
        return self.split_file.is_file()

    def weights_file(self, epoch: int) -> Path:
        """Weights and optimizer after an epoch, counted from 1; deleted after the next one."""
        return self.path / f"epoch-{epoch}.weights.h5"

    def average_file(self, epoch: int) -> Path:
        """The mean of the weights up to an epoch, counted from 1."""
        return self.path / f"average-{epoch}.npz"

    def require_empty(self) -> None:
        """Check that the folder is empty: other files would mix with the run's.

        Raises:
            DataError: it has files.
        """
        if self.path.exists() and any(self.path.iterdir()):
            raise DataError(f"Expected an empty run folder. {self.path} holds files. Choose another --out.")

    def begin(
        self, config: Config, pictures: Sequence[Picture], groups: NDArray[np.int64], split: Split
    ) -> None:  # fmt: skip
        """Write the configuration, then the table of images. A resumed run keeps its own.

        Raises:
            DataError: a resumed run began with other images.
        """
        if not self.has_begun:
            self.write_config(config)
            write_split(self.split_file, pictures, groups, split)
        elif self.read_config().data["fingerprint"] != config.data["fingerprint"]:
            raise DataError(
                f"Expected the images that {self.path} began with. Received {len(pictures)}, some of them "
                "different. Pass the same --data, --boxes and --exclude-near-duplicates-of, or another --out."
            )

    def write_config(self, config: Config) -> None:
        """Write the configuration."""
        self.write_json(self.config_file, dataclasses.asdict(config))

    def read_config(self) -> Config:
        """Read the configuration of any version."""
        known = {field.name for field in dataclasses.fields(Config)}
        read: Json = json.loads(self.config_file.read_text(encoding="utf-8"))
        return Config(**{name: value for name, value in read.items() if name in known})

    def described(self) -> Json:
        """Return the network's SHA-256 and configuration, to be saved by a run that starts from it."""
        return {"sha256": self.sha256(), "config": json.loads(self.config_file.read_text(encoding="utf-8"))}

    def read_split(self) -> SplitTable:
        """Read the table of the images.

        Raises:
            DataError: the run has no table.
        """
        return SplitTable.read(self.split_file)

    def sha256(self) -> str:
        """Return the network's SHA-256."""
        return sha256_of(self.network_file)

    def network(self) -> keras.Model:
        """Load the best network."""
        return keras.saving.load_model(self.network_file, compile=False)

    def save_network(self, network: keras.Model, packed: bool = False) -> None:
        """Write the best network atomically; packed: in half precision where that is exact."""
        aside = self.path / "best.part.keras"
        # A new model around the same layers: a compiled one would save its optimizer's state too.
        keras.Model(network.input, network.output, name=network.name).save(aside)
        if packed:
            compact(aside)
        aside.replace(self.network_file)

    def write_json(self, file: Path, value: object) -> None:
        """Write one of the JSON files atomically."""
        write_atomically(file, json.dumps(value, indent=1).encode())


def folds_in(parent: RunFolder) -> list[RunFolder]:
    """Return the runs of a cross-validation, in the order of their names."""
    return [RunFolder(table.parent) for table in sorted(parent.path.glob(f"*/{parent.split_file.name}"))]
