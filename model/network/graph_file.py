"""`python -m model.network.graph_file CARD`: write a network's graph beside its weights.

Keras needs seconds to be imported, to rebuild a network and to have it traced. So this is done once, at publishing. The
file holds OpenVINO's graph without the weights: each is a parameter that is named as in the `.keras` file, out of which
it is filled at every start.
"""

import dataclasses
import hashlib
import importlib
import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from model.card import GraphCard, ModelCard, read_card, read_checked
from model.errors import ModelFileError
from model.network.engine import graph_of
from model.network.explained import Explained, check_shapes
from model.network.features import FeatureGrid, Head
from model.network.keras_import import import_keras
from model.network.layout import channels_first
from model.safe_files import write_atomically

Weights = dict[str, NDArray[np.float32]]


def write_graph(card_path: Path) -> None:
    """Write the graph of a card's network beside the card, and name it in the card.

    Raises:
        ModelFileError: card or weights are missing, altered, or contradict each other.
    """
    card, folder = read_card(card_path), card_path.parent
    weights = _weights_in(read_checked(folder / card.weights_file, card.sha256))
    network = import_keras().saving.load_model(folder / card.weights_file, compile=False)
    explained = Explained.of_keras(network, card)
    graph = graph_of(channels_first(explained.network))
    _take_out(weights, graph)
    content = _packed(graph, explained, card, weights)
    file = f"{card.name}.graph.npz"
    write_atomically(folder / file, content)
    # The rest of the card is not changed.
    fields = json.loads(card_path.read_text(encoding="utf-8"))
    fields["graph"] = dataclasses.asdict(GraphCard(file, hashlib.sha256(content).hexdigest()))
    write_atomically(card_path, (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode())


def read_graph(card: ModelCard, folder: Path) -> Explained:
    """Read the graph that a card names, and fill in the weights of its `.keras` file.

    Raises:
        ModelFileError: a file is missing, is not the one that the card describes, or was made of other weights.
    """
    assert card.graph
    packed = read_checked(folder / card.graph.file, card.graph.sha256)
    saved = read_checked(folder / card.weights_file, card.sha256)
    try:
        return _unpacked(packed, saved, card)
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelFileError(
            f"Expected a network's graph in {card.graph.file}. It cannot be loaded: {error}"
        ) from error


def _unpacked(packed: bytes, saved: bytes, card: ModelCard) -> Explained:
    with np.load(io.BytesIO(packed)) as parts:
        about = json.loads(str(parts["about"]))
        others = {name: parts[name] for name in parts.files}
    if about["made_for"] != _made_for(card):
        raise ModelFileError(
            f"Expected the graph of {card.name!r} to be made for {_made_for(card)}. Received one for "
            f"{about['made_for']}. Run `python -m training publish --answers-of` with the card."
        )
    weights = _weights_in(saved)
    openvino: Any = importlib.import_module("openvino")
    graph = openvino.Core().read_model(others["graph"].tobytes(), others["constants"].tobytes())
    _fill_in(weights, graph)
    kernels, biases = (tuple((weights | others)[name] for name in about[part]) for part in ("kernels", "biases"))
    head = Head(kernels=kernels, biases=biases, **about["head"])
    check_shapes(card, graph.inputs[0].shape, graph.outputs[1].shape)
    return Explained(graph, head, FeatureGrid(**about["grid"]))


def _made_for(card: ModelCard) -> dict[str, str]:
    """Return all of a card that its graph depends on."""
    gate_layer = card.gate.layer if card.gate else ""
    return {"sha256": card.sha256, "feature_layer": card.feature_layer, "gate_layer": gate_layer}


def _weights_in(saved: bytes) -> Weights:
    """Return all numbers of a `.keras` file, by their place in it."""
    weights: Weights = {}

    def keep(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            weights[name] = np.asarray(entry[()], np.float32)

    with zipfile.ZipFile(io.BytesIO(saved)) as parts, parts.open("model.weights.h5") as file:
        h5py.File(io.BytesIO(file.read()), "r").visititems(keep)
    return weights


def _take_out(weights: Weights, graph: Any) -> None:
    """Replace constants of a graph that are weights by parameters of their names."""
    parameter: Any = importlib.import_module("openvino.opset16").parameter
    names = _names(weights)
    taken: dict[str, Any] = {}
    for operation in graph.get_ops():
        if operation.get_type_name() != "Constant":
            continue
        values = operation.get_data()
        name = names.get(_fingerprint(values))
        if name:
            if name not in taken:
                taken[name] = parameter(list(values.shape), operation.get_element_type())
                taken[name].set_friendly_name(name)
            operation.output(0).replace(taken[name].output(0))
    graph.add_parameters(list(taken.values()))


def _names(weights: Weights) -> dict[Any, str]:
    return {_fingerprint(values): name for name, values in weights.items()}


def _fingerprint(values: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    return str(values.dtype), values.shape, hashlib.sha256(values.tobytes()).digest()


def _fill_in(weights: Weights, graph: Any) -> None:
    """Replace the parameters that `_take_out` made by the weights of their names."""
    constant: Any = importlib.import_module("openvino.opset16").constant
    for parameter in graph.get_parameters():
        name = parameter.get_friendly_name()
        if name in weights:
            parameter.output(0).replace(constant(weights[name]).output(0))
            graph.remove_parameter(parameter)


def _packed(graph: Any, explained: Explained, card: ModelCard, weights: Weights) -> bytes:
    head, names, others = explained.head, _names(weights), dict[str, NDArray[Any]]()

    def place_of(values: NDArray[np.float32]) -> str:
        name = names.get(_fingerprint(values))
        if name is None:
            others[name := f"other_{len(others)}"] = values
        return name

    about = {
        "made_for": _made_for(card),
        "grid": dataclasses.asdict(explained.grid),
        "kernels": [place_of(kernel) for kernel in head.kernels],
        "biases": [place_of(bias) for bias in head.biases],
        "head": {
            "averages_places": head.averages_places,
            "takes_largest": head.takes_largest,
            "window": head.window,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "graph.xml")
        importlib.import_module("openvino").serialize(graph, file)
        for name, written in {"graph": file, "constants": file.with_suffix(".bin")}.items():
            others[name] = np.frombuffer(written.read_bytes(), np.uint8)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, about=np.array(json.dumps(about)), **others)
    return packed.getvalue()


if __name__ == "__main__":
    write_graph(Path(sys.argv[1]))
