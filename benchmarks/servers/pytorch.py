"""The other usual way: FastAPI around the network in PyTorch, with class activation maps from the same pass.

Run as `python -m benchmarks.servers.pytorch ONNX_FILE FEATURE_LAYER SIDE_PX PORT`. It computes on the processor, in
float32, with PyTorch's own choice of threads. Like the tutorial's server it has none of the app's checks.

Weights lie in the channels-last format, which PyTorch recommends for convolutions on processors; it is faster here.
torch.compile fails on what onnx2torch returns, as its reshapes read their shapes from tensors.

Source: class activation maps, Zhou et al. 2016, arXiv:1512.04150.
"""

import base64
import sys
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from numpy.typing import NDArray
from onnx2torch import convert
from PIL import Image

from benchmarks.servers.overlay import overlay_png


def create_app(onnx_file: str, feature_layer: str, side_px: int) -> FastAPI:
    """Load the network once and return the application.

    feature_layer: what takes the last feature maps; side_px: of the network's square input.
    """
    app = FastAPI()
    network = convert(onnx_file).eval().to(memory_format=torch.channels_last)
    _also_return_features(network, feature_layer)
    _classify(network, np.zeros((1, side_px, side_px, 1), np.float32))

    @app.get("/")
    def index() -> str:
        return "ready"

    @app.post("/predict")
    def predict(files: UploadFile) -> dict[str, Any]:
        picture = Image.open(files.file).convert("L")
        inputs = np.asarray(picture.resize((side_px, side_px)), np.float32)[None, ..., None]
        probabilities, heat = _classify(network, inputs)
        overlay = overlay_png(picture, heat)
        return {"probabilities": probabilities.tolist(), "heatmap": base64.b64encode(overlay).decode()}

    return app


def _also_return_features(network: torch.fx.GraphModule, feature_layer: str) -> None:
    """Make the network return, behind its probabilities, the last feature maps and the kernel of its dense layer."""
    nodes = list(network.graph.nodes)
    pooling = next(node for node in nodes if f"/{feature_layer}_" in str(node.target))
    dense = next(node for node in reversed(nodes) if str(node.target).endswith("/MatMul"))
    nodes[-1].args = ((nodes[-1].args[0], pooling.args[0], dense.args[1]),)
    network.recompile()


def _classify(network: torch.fx.GraphModule, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], Any]:
    """Return the probabilities, and the class activation map of the most probable class, 0..1.

    inputs: float32 (1, side_px, side_px, 1), 0..255.
    """
    with torch.inference_mode():
        probabilities, features, kernel = network(torch.from_numpy(inputs))
        # tf2onnx puts the channels first or last, as its optimizer finds best.
        channels = list(features.shape).index(len(kernel), 1)
        weights = kernel[:, int(probabilities[0].argmax())]
        heat = (features.movedim(channels, -1)[0] @ weights).relu()
        return probabilities[0].numpy(), (heat / (heat.max() + 1e-9)).numpy()


if __name__ == "__main__":
    served = create_app(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[4]), log_level="warning")
