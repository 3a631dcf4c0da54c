"""The servers that the app is compared with: they run the network that the app runs."""

import base64
import io
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("psutil", reason="requirements/bench.txt is not installed")

from PIL import Image

from benchmarks.engines.network import ServedNetwork
from benchmarks.plan import PICTURE
from benchmarks.rows import PYTORCH_PACKAGES
from benchmarks.servers import serving
from benchmarks.servers.overlay import overlay_png
from benchmarks.servers.posting import PEER, Client


@pytest.mark.parametrize(("heat", "colour"), [(1.0, [162, 60, 60]), (0.0, [60, 60, 162]), (0.5, [111, 162, 111])])
def test_overlay_is_as_large_as_the_image_and_goes_from_blue_to_red(heat: float, colour: list[int]) -> None:
    picture = Image.new("L", (40, 20), 100)
    drawn = np.asarray(Image.open(io.BytesIO(overlay_png(picture, np.full((2, 3), heat, np.float32)))))
    assert drawn.shape == (20, 40, 3)
    # 0.6 of the grey and 0.4 of the colour.
    assert drawn[10, 20].tolist() == colour


@pytest.mark.slow
@pytest.mark.skipif(not serving.has_pytorch(), reason=f"not all of {PYTORCH_PACKAGES} are installed")
def test_both_servers_answer_with_the_same_probabilities_and_a_map(tiny_models: Path, tmp_path: Path) -> None:
    network, picture = ServedNetwork(tiny_models, tmp_path), PICTURE.read_bytes()
    answers = []
    for serve in (serving.tutorial, serving.pytorch):
        with serve(network) as server, closing(Client(server.host, server.port, PEER, [picture])) as client:
            answers.append(client.json())
    flask, fastapi = answers
    assert fastapi["probabilities"] == pytest.approx(flask["probabilities"], abs=1e-4)
    overlay = Image.open(io.BytesIO(base64.b64decode(fastapi["heatmap"])))
    assert overlay.size == Image.open(io.BytesIO(picture)).size
