"""Base of all figures: frozen dataclasses in Python, JSON objects with the same keys in files."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figures:
    """A set of figures. The JSON omits fields that default to None and are None."""

    def plain(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        values = {field: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {f.name: _plain(value) for f, value in values.items() if value is not None or f.default is not None}

    def in_words(self) -> str:
        """Return the shares as one printable line."""
        shares = {name: value for name, value in self.plain().items() if isinstance(value, float)}
        return ", ".join(f"{name} {value:.3f}" for name, value in shares.items())


def _plain(value: Any) -> Any:
    if isinstance(value, Figures):
        return value.plain()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def share(value: float | None) -> str:
    """Return a share with three decimals, or a dash for None."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
