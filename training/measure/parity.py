"""Print what a network says of the known pictures, on any backend: `python -m training.measure.parity CARD`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.network.classifier import Classifier
from model.reading.contents import MriImage
from training.measure.known_picture import known_pictures


def probabilities_on(backend: str, card: Path) -> NDArray[np.float64]:
    """Load the card's network in a fresh process on a Keras backend: float64, shape (n_pictures, n_classes).

    Raises:
        subprocess.CalledProcessError: the network cannot be loaded or run there.
    """
    answer = subprocess.run(
        [sys.executable, "-m", "training.measure.parity", str(card)],
        env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return np.array(json.loads(answer.stdout.splitlines()[-1]))


def main(card: Path) -> None:
    """Print the probabilities as one JSON line."""
    images = [MriImage(pixels, "drawn") for pixels in known_pictures()]
    print(json.dumps([p.probabilities.tolist() for p in Classifier.load(card).predict(images)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
