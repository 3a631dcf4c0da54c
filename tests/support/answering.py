"""Tiny models whose first always answers "uncertain", or "not a brain MRI"."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np

from model.answers.answer import NOT_BRAIN_MRI, UNCERTAIN
from model.answers.gate import Gate
from model.card import Decision, GateCard, ModelCard, read_card
from model.network.keras_import import import_keras


def change_card(folder: Path, name: str = "xception", **changes: object) -> ModelCard:
    """Rewrite a model's card; what it said of the known pictures holds no more."""
    file = folder / f"{name}.json"
    card = dataclasses.replace(read_card(file), **{"known_answers": (), **changes})  # type: ignore[arg-type]
    file.write_text(card.to_json())
    return card


def models_that_answer(answer: str, tiny_models: Path, folder: Path) -> Path:
    """Copy the tiny models, and make the first answer so; any other answer leaves them as they are."""
    shutil.copytree(tiny_models, folder)
    if answer == UNCERTAIN:
        change_card(folder, decision=Decision(temperature=1.5, uncertain_below=0.9999))
    if answer == NOT_BRAIN_MRI:
        add_gate(folder, "xception", 1e6, 1.0)
    return folder


def add_gate(folder: Path, name: str, mean: float, largest_distance: float) -> None:
    """Give a model a gate around features of this mean."""
    network = import_keras().saving.load_model(folder / f"{name}.keras", compile=False)
    layer = next(layer for layer in network.layers[::-1] if len(layer.input.shape) == 4)
    n = layer.input.shape[-1]
    gate = Gate(np.full(n, mean, np.float32), np.ones(n, np.float32), np.zeros((1, n), np.float32), largest_distance)
    (folder / f"{name}.gate.npz").write_bytes(gate.to_bytes())
    sha256 = hashlib.sha256(gate.to_bytes()).hexdigest()
    change_card(folder, name, gate=GateCard(layer.name, f"{name}.gate.npz", sha256, largest_distance))
