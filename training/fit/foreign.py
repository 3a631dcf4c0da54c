"""Convert a Keras file from elsewhere to this project's form: grey images of 0..255 in, a softmax over the classes out.

No code in the file runs: files with layers that contain code are refused before loading.
"""

import functools
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from model.errors import ModelFileError
from model.network.features import FeatureGrid, Head
from training.errors import TrainingError

# Factors and offsets that map 0..255 to the values that a network was trained on.
# Source: keras.applications.imagenet_utils.preprocess_input.
SCALINGS: dict[str, tuple[Any, Any]] = {
    "0..255": (1.0, 0.0),
    "0..1": (1 / 255, 0.0),
    "tf": (1 / 127.5, -1.0),
    "caffe": (1.0, [-103.939, -116.779, -123.68]),
    "torch": (
        [1 / (255 * s) for s in (0.229, 0.224, 0.225)],
        [-m / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))],
    ),
}
_HDF5 = b"\x89HDF"
# Written by Keras 2, unknown to Keras 3.
_GONE = {
    "DepthwiseConv2D": ("groups",),
    "SeparableConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "Conv2DTranspose": ("groups",),
}
_MODELS = {"Functional", "Sequential", "Model"}
_MODULES = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
_POOLINGS = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D, keras.layers.Flatten)
# Layers that do nothing at inference.
_SILENT = (
    keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.GaussianNoise, keras.layers.GaussianDropout,
    keras.layers.AlphaDropout, keras.layers.ActivityRegularization,
)  # fmt: skip


class ForeignError(TrainingError):
    """The file cannot be converted to a network of this project."""


def adapted(file: Path, order: Sequence[int], scaling: str, side_px: int | None = None) -> tuple[keras.Model, str]:
    """Return a flat network with one grey input, and the layer before its head; "" if no layer allows a heat map.

    order: for each class of the task, the index of its output in the file; a single sigmoid counts as two outputs.
    scaling: a key of SCALINGS. side_px: side of the input, if the file leaves it open.

    Raises:
        ForeignError: it is not a Keras file, contains code, or has an unsupported form.
    """
    network = _loaded(file)
    height, width, n_channels = _input_shape(network, side_px)
    if height != width or n_channels not in (1, 3):
        raise ForeignError(f"Expected a square input of 1 or 3 channels. Received {(height, width, n_channels)}.")
    grey = keras.Input((height, width, 1), name="grey")
    factor, offset = SCALINGS[scaling]
    if n_channels == 1 and isinstance(offset, list):
        raise ForeignError(f"Expected an input of 3 channels for --scaling {scaling}. The network's has one.")
    given = keras.layers.Concatenate(name="three_channels")([grey] * 3) if n_channels == 3 else grey
    scaled = keras.layers.Rescaling(factor, offset=offset, name="value_scaling")(given)
    flat = keras.Model(grey, _inlined(network, scaled))
    flat = keras.Model(grey, _softmax_in_order(flat, order))
    return flat, _feature_layer(flat)


def _loaded(file: Path) -> keras.Model:
    try:
        config = _config_of(file)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ForeignError(
            f"Expected a Keras model in {file}, .keras or .h5, saved whole. {_what_it_is(file)}"
        ) from error
    foreign = sorted({name for name, module in _classes(config.get("config")) if not _is_known(name, module)})
    if foreign:
        raise ForeignError(
            f"Expected a network of Keras' own layers. {file} holds {', '.join(foreign)}, which can run any code and "
            "is never loaded. Build the network with a layer such as Rescaling in its place, load the weights, save it."
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            return keras.saving.load_model(_for_keras_3(file, config, Path(folder)), compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ForeignError(f"Expected a network that Keras {keras.__version__} can load in {file}. {error}") from error


def _what_it_is(file: Path) -> str:
    if not file.exists():
        return "There is no such file."
    if file.is_dir():
        return "This is a folder, as of a SavedModel: load it in Keras 2 and save it as .h5."
    if h5py.is_hdf5(file):
        return "This file holds weights alone: build the network in Keras, load them, and use model.save()."
    return "This is another kind of file, or a damaged one. Models of PyTorch, ONNX or TensorFlow Lite are not read."


def _config_of(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        is_hdf5 = opened.read(4) == _HDF5
    if is_hdf5:
        with h5py.File(file) as stored:
            config = json.loads(stored.attrs["model_config"])
    else:
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ValueError("its description is not a JSON object")
    return config


def _classes(config: Any) -> Iterator[tuple[str, str]]:
    """Yield class and module of every object that a description would create."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"], str(config.get("module") or "")
        for value in config.values():
            yield from _classes(value)
    elif isinstance(config, list):
        for value in config:
            yield from _classes(value)


def _is_known(name: str, module: str) -> bool:
    if module.startswith(("keras.ops", "keras.src.ops")) or name in _MODELS | {"Policy", "DTypePolicy"}:
        return True
    if name in ("__keras_tensor__", "__tuple__", "__numpy__", "__ellipsis__", "TensorShape"):
        return True
    places = (keras.layers, keras.initializers, keras.regularizers, keras.constraints)
    return "Lambda" not in name and any(hasattr(place, name) for place in places)


def _for_keras_3(file: Path, config: dict[str, Any], folder: Path) -> Path:
    """Write a copy of the file with a description that Keras 3 can read, even if Keras 2 wrote it."""
    description = json.dumps(_in_words_of_keras_3(config))
    if not zipfile.is_zipfile(file):
        copy = folder / "network.h5"
        shutil.copyfile(file, copy)
        with h5py.File(copy, "r+") as stored:
            stored.attrs["model_config"] = description
        return copy
    copy = folder / "network.keras"
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(copy, "w") as written:
        for name in ("metadata.json", "model.weights.h5"):
            written.writestr(name, archive.read(name))
        written.writestr("config.json", description)
    return copy


def _in_words_of_keras_3(config: Any) -> Any:
    if isinstance(config, list):
        return [_in_words_of_keras_3(value) for value in config]
    if not isinstance(config, dict):
        return config
    kept = {name: _in_words_of_keras_3(value) for name, value in config.items()}
    kind, inner = str(kept.get("class_name")), kept.get("config")
    if kind in _MODELS and kept.get("module"):
        kept["module"] = _MODULES.get(kind, kept["module"])
    if not isinstance(inner, dict):
        return kept
    for name in _GONE.get(kind, ()):
        inner.pop(name, None)
    for ends in ("input_layers", "output_layers"):
        # A single input is a list of one in Keras 2, but not in Keras 3.
        if kind in _MODELS and len(inner.get(ends, ())) == 1:
            (inner[ends],) = inner[ends]
    if isinstance(inner.get("dtype"), dict):
        inner["dtype"] = "float32"
    if kind == "BatchNormalization" and isinstance(inner.get("axis"), list):
        (inner["axis"],) = inner["axis"]
    return kept


def _input_shape(network: keras.Model, side_px: int | None) -> tuple[int, int, int]:
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] is None:
        raise ForeignError(f"Expected a network of one image input, channels last. Received inputs of shape {shape}.")
    height, width = shape[1] or side_px, shape[2] or side_px
    if height is None or width is None:
        raise ForeignError("Expected an input of a fixed size. The network takes any size: add --input-size.")
    return height, width, shape[3]


def _inlined(network: keras.Model, given: Any) -> Any:
    """Apply a network layer by layer, including nested networks, with a new copy of each layer and its weights."""
    if isinstance(network, keras.Sequential):
        for layer in network.layers:
            given = _applied(layer, given)
        return given
    # Same as `network(given)` inside; `clone_model` would disconnect the result from `given`.
    made = network._run_through_graph(given, lambda operation: functools.partial(_applied, operation))
    (result,) = made if isinstance(made, list | tuple) else (made,)
    return result


def _applied(layer: Any, *given: Any, **options: Any) -> Any:
    options.pop("training", None)
    if isinstance(layer, keras.Model):
        return _inlined(layer, given[0])
    if not isinstance(layer, keras.layers.Layer):
        return layer(*given, **options)
    is_flat = isinstance(layer, keras.layers.Flatten) and len(given[0].shape) == 2
    if isinstance(layer, (*_SILENT, keras.layers.InputLayer)) or is_flat or type(layer).__name__.startswith("Random"):
        return given[0]
    # Layers of nested networks may have the same name.
    name = keras.backend.get_uid(layer.name)
    fresh = type(layer).from_config(layer.get_config() | {"name": f"{layer.name}_{name}", "dtype": "float32"})
    result = fresh(*given, **options)
    fresh.set_weights([keras.ops.convert_to_numpy(weight) for weight in layer.weights])
    return result


def _softmax_in_order(flat: keras.Model, order: Sequence[int]) -> Any:
    """Return the output of a last layer with reordered outputs; a single sigmoid becomes a softmax of two."""
    dense, activation = flat.layers[-1], ""
    if isinstance(dense, keras.layers.Softmax):
        dense, activation = flat.layers[-2], "softmax"
    elif isinstance(dense, keras.layers.Activation):
        dense, activation = flat.layers[-2], dense.activation.__name__
    if not isinstance(dense, keras.layers.Dense):
        raise ForeignError(f"Expected a dense layer at the network's end. Received {type(dense).__name__}.")
    activation = activation or dense.activation.__name__
    kernel, bias = np.asarray(keras.ops.convert_to_numpy(dense.kernel)), np.zeros(dense.units, np.float32)
    if dense.use_bias:
        bias = np.asarray(keras.ops.convert_to_numpy(dense.bias))
    if dense.units == 1 and activation in ("sigmoid", "linear"):
        # A softmax of 0 and z is the sigmoid of z.
        kernel, bias = np.hstack([np.zeros_like(kernel), kernel]), np.concatenate([[0], bias])
    elif activation not in ("softmax", "linear") or dense.units == 1:
        raise ForeignError(
            f"Expected a softmax over the classes, or one sigmoid. Received {dense.units} outputs with {activation!r}."
        )
    if len(bias) != len(order):
        raise ForeignError(f"Expected --outputs for {len(bias)} outputs of the network. Received {len(order)}.")
    last = keras.layers.Dense(len(order), activation="softmax", dtype="float32", name="probabilities")
    result = last(dense.input)
    last.set_weights([kernel[:, list(order)], bias[list(order)]])
    return result


def _feature_layer(flat: keras.Model) -> str:
    """Return the pooling or flattening layer at which a heat map is drawn; "" if the layers do not allow one."""
    for layer in reversed(flat.layers):
        is_pooling = isinstance(layer, _POOLINGS)
        if is_pooling and len(layer.input.shape) == 4:
            try:
                Head.of_network(flat, layer.name)
            except ModelFileError:
                return ""
            return layer.name if _is_plausible(FeatureGrid.of_network(flat, layer.name)) else ""
    return ""


def _is_plausible(grid: FeatureGrid) -> bool:
    """Return whether the places computed from the layers' windows fill the input."""
    size, covered = grid.input_size_px, grid.step_px * grid.n_places
    is_centred = abs(float(grid.centres_px().mean()) - (size - 1) / 2) <= grid.step_px
    return is_centred and 0.6 * size <= covered <= 1.5 * size
