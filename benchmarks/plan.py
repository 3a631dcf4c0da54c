"""How long and on what everything is measured."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.engines.engine import ManyPictures, best_throughput
from benchmarks.engines.network import ServedNetwork

SAMPLES = Path(__file__).parent.parent / "static" / "samples"
# A JPEG of 512 x 512 pixels.
PICTURE = SAMPLES / "glioma.jpg"


@dataclass(frozen=True)
class Plan:
    """What the user asked for. `quick` takes few and short measurements: it shows only that everything runs."""

    network: ServedNetwork
    quick: bool

    @property
    def n_rounds(self) -> int:
        """Rounds in which short things are timed in turn."""
        return 3 if self.quick else 60

    @property
    def n_blocks(self) -> int:
        """Rounds in which rates are measured in turn."""
        return 2 if self.quick else 8

    @property
    def block_seconds(self) -> float:
        """How long a rate is measured."""
        return 0.3 if self.quick else 4.0

    @property
    def n_starts(self) -> int:
        """How often the app is started."""
        return 1 if self.quick else 7

    @cached_property
    def picture(self) -> bytes:
        """The JPEG that is posted."""
        return PICTURE.read_bytes()

    @cached_property
    def _best(self) -> tuple[ManyPictures, dict[str, float]]:
        return best_throughput(self.network, self.quick)

    @property
    def best_engine(self) -> ManyPictures:
        """The engine in the batch size and the streams with the highest throughput; searched once."""
        return self._best[0]

    @property
    def throughputs_tried(self) -> dict[str, float]:
        """Images per second of what was tried for it."""
        return self._best[1]
