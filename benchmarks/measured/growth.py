"""`python -m benchmarks growth`: how time and memory grow with images, clients, and the size of images and volumes."""

import argparse
import io
from typing import Any

from PIL import Image

from benchmarks.measured.start import sizes_mb
from benchmarks.measured.volume import SIDE, volume
from benchmarks.plan import PICTURE, Plan
from benchmarks.report.page import growth_tables
from benchmarks.run import run_other
from benchmarks.servers import serving
from benchmarks.servers.clients import Load, clients
from benchmarks.servers.posting import PREDICTIONS, WITH_HEATMAP, Client
from benchmarks.timing import Sample, seconds_of

_PICTURES = (1, 3, 10, 30, 100, 300, 1000)
_CLIENTS = (1, 2, 4, 8, 16, 32, 64)
_SIDES_PX = (128, 256, 512, 1024, 2048, 4096)
_SLICES = (20, 50, 100, 200, 400)
# So small that every slice lies in the depth of a brain, and is classified.
_VOXEL_MM = 0.25
_REPEATS = 5


def measure(plan: Plan) -> dict[str, Any]:
    """Return rows for each of the four."""
    return {
        "pictures": _by_pictures(plan),
        "clients": _by_clients(plan),
        "sides": _by_side(plan),
        "volumes": _by_slices(plan),
    }


def _by_pictures(plan: Plan) -> list[dict[str, float]]:
    """Send ever more images in one request, to one server, to show memory that is not released."""
    counts = _PICTURES[:3] if plan.quick else _PICTURES
    rows = []
    with serving.app(plan.network.models, MAX_FILES=str(max(counts))) as app:
        for n in counts:
            client = Client(app.host, app.port, PREDICTIONS, [plan.picture] * n)
            seconds = seconds_of(client.post)
            rows.append({"n_pictures": n, "seconds": seconds, "memory_mb": sizes_mb(app)["RSS"]})
    return rows


def _by_clients(plan: Plan) -> list[dict[str, float]]:
    rows = []
    with serving.app(plan.network.models) as app:
        for n in _CLIENTS[:2] if plan.quick else _CLIENTS:
            with clients(app, PICTURE, n) as running:
                running.post_for(plan.block_seconds / 4)
                rows.append({"n_clients": n, **_of_load(running.post_for(2 * plan.block_seconds))})
    return rows


def _of_load(load: Load) -> dict[str, float]:
    waited = Sample(load.seconds).scaled(1000)
    return {"pictures_per_second": load.rate, "median_ms": waited.median, "p95_ms": waited.p95,
            "n_refused": load.n_refused}  # fmt: skip


def _by_side(plan: Plan) -> list[dict[str, float]]:
    rows = []
    with serving.app(plan.network.models) as app:
        for side in _SIDES_PX[:2] if plan.quick else _SIDES_PX:
            client = Client(app.host, app.port, WITH_HEATMAP, [_resized(plan.picture, side)])
            client.post()
            waited = Sample(tuple(seconds_of(client.post) for _ in range(_REPEATS))).scaled(1000)
            rows.append({"side_px": side, "median_ms": waited.median, "p95_ms": waited.p95})
    return rows


def _by_slices(plan: Plan) -> list[dict[str, float]]:
    rows = []
    with serving.app(plan.network.models) as app:
        for n in _SLICES[:2] if plan.quick else _SLICES:
            client = Client(app.host, app.port, PREDICTIONS, [volume(plan.picture, n, SIDE, _VOXEL_MM)])
            seconds = seconds_of(client.post)
            rows.append({"n_slices": n, "seconds": seconds, "slices_per_second": n / seconds,
                         "memory_mb": sizes_mb(app)["RSS"]})  # fmt: skip
    return rows


def _resized(picture: bytes, side: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as opened:
        opened.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def arguments(_: argparse.ArgumentParser) -> None:
    """Add no arguments of its own."""


def run(options: argparse.Namespace) -> None:
    """Measure, and write tables and plots."""
    run_other(options, "growth", measure, growth_tables)
