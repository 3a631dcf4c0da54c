"""A network's answers to the self-test images on any backend: `python -m training.parity CARD`."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from model.card import KnownAnswer
from model.network.classifier import Classifier
from model.network.self_test import answers_to_known_pictures


def answers_on(backend: str, card: Path) -> list[KnownAnswer]:
    """Load the card's network in a fresh process on a Keras backend and return its answers.

    Raises:
        subprocess.CalledProcessError: the network cannot be loaded or run there.
    """
    return [KnownAnswer(**fields) for fields in json.loads(_on(backend, "training.parity", card).splitlines()[-1])]


def write_graph_of(card: Path) -> None:
    """Write the graph of the card's network, as OpenVINO has it, in a fresh process.

    Raises:
        subprocess.CalledProcessError: the network cannot be loaded or traced there.
    """
    _on("openvino", "model.network.graph_file", card)


def _on(backend: str, module: str, card: Path) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, str(card)],
        env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def largest_difference(ones: list[KnownAnswer], others: list[KnownAnswer]) -> float:
    """Return the largest difference between the probabilities of two backends."""
    return max(
        abs(p - other.probabilities[name])
        for one, other in zip(ones, others, strict=True)
        for name, p in one.probabilities.items()
    )


if __name__ == "__main__":
    answers = answers_to_known_pictures(Classifier.load(Path(sys.argv[1])).predict)
    print(json.dumps([dataclasses.asdict(answer) for answer in answers]))
