"""The network that answers by default, as every engine wants it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.engines.floor import operations_per_picture
from benchmarks.servers.processes import on_tensorflow
from model.card import DEFAULT_MODELS, ModelCard, read_card, read_weights
from model.network.keras_import import import_keras
from model.network.layout import channels_first


@dataclass(frozen=True)
class ServedNetwork:
    """The default model of a folder, and where its exports are kept."""

    models: Path
    cache: Path

    @cached_property
    def card(self) -> ModelCard:
        """Its card."""
        return read_card(self.models / f"{DEFAULT_MODELS[0]}.json")

    @cached_property
    def file(self) -> Path:
        """Its `.keras` file."""
        return read_weights(self.card, self.models)

    @cached_property
    def keras_network(self) -> Any:
        """The network in this process."""
        return import_keras().saving.load_model(self.file, compile=False)

    @cached_property
    def operations(self) -> int:
        """Floating-point operations for one image."""
        return operations_per_picture(self.keras_network)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of its input."""
        side = self.card.input_size_px
        return (side, side, 1)

    @cached_property
    def turned_network(self) -> Any:
        """The network with its channels first, as the app runs it."""
        return channels_first(self.keras_network)

    @cached_property
    def onnx_file(self) -> Path:
        """The network for ONNX Runtime."""
        return self._by_tensorflow("onnx", "onnx")

    @cached_property
    def litert_file(self) -> Path:
        """The network for LiteRT."""
        return self._by_tensorflow("litert", "tflite")

    def _by_tensorflow(self, export_format: str, suffix: str) -> Path:
        file = self._exported(suffix)
        if not file.is_file():
            on_tensorflow("benchmarks.engines.exporting", self.file.resolve(), export_format, file)
        return file

    def _exported(self, suffix: str) -> Path:
        self.cache.mkdir(parents=True, exist_ok=True)
        return (self.cache / f"{self.card.name}-{self.card.sha256[:16]}.{suffix}").resolve()
