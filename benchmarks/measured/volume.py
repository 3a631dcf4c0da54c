"""A volume over HTTP against the best that the engine does."""

import gzip
import time

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.plan import Plan
from benchmarks.rows import Finding
from benchmarks.servers import serving
from benchmarks.servers.posting import PREDICTIONS, Client
from benchmarks.timing import Ratio, in_turn
from model.reading.one_file import read_image

# The size of the BraTS collections' volumes: 155 axial slices of 240 x 240 voxels of a millimetre.
N_SLICES, SIDE = 155, 240
QUICK_SLICES, QUICK_SIDE = 6, 64


def measure(plan: Plan) -> list[Finding]:
    """Take slices per second of app and engine in turn."""
    engine = plan.best_engine
    content = volume(plan.picture, *((QUICK_SLICES, QUICK_SIDE) if plan.quick else (N_SLICES, SIDE)))
    with serving.app(plan.network.models) as app:
        client = Client(app.host, app.port, PREDICTIONS, [content])

        def app_rate() -> float:
            started = time.perf_counter()
            n_classified: int = client.json()["results"][0]["n_classified"]
            return n_classified / (time.perf_counter() - started)

        taken = in_turn({"app": app_rate, "engine": lambda: engine.rate(plan.block_seconds)}, plan.n_blocks)
        n_classified = client.json()["results"][0]["n_classified"]
    note = (
        f"A compressed NIfTI file of {len(content) / 1e6:.1f} MB; {n_classified} slices are classified. "
        f"POST {PREDICTIONS.path}, from the first byte sent to the last received."
    )
    samples = {"app, slices/s": taken["app"], "engine, slices/s": taken["engine"]}
    return [Finding.of_ratio("volume", Ratio(taken["app"], taken["engine"]), samples=samples, notes=(note,))]


def volume(picture: bytes, n_slices: int, side: int, voxel_mm: float = 1.0) -> bytes:
    """Make a compressed NIfTI file of axial slices that all show the image, each a little brighter than the last."""
    pixels = Image.fromarray(read_image(picture).pixels).resize((side, side), Image.Resampling.BILINEAR)
    upright: NDArray[np.float32] = np.asarray(pixels, np.float32)
    factors = np.linspace(3.0, 3.5, n_slices, dtype=np.float32)
    # NIfTI counts x to the right and y to the front; images count columns to the patient's left and rows down.
    voxels = (upright.T[::-1, ::-1, None] * factors).astype(np.int16)
    return gzip.compress(nibabel.Nifti1Image(voxels, np.diag([voxel_mm] * 3 + [1.0])).to_bytes(), compresslevel=6)
