"""Runs on drawn heads, trained, calibrated and published once; no test may change them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.support.drawn_heads import draw_data, write_audit
from tests.support.training import run_step, smooth_pictures, write
from training.data.sources import Sources
from training.fit.run_folder import RunFolder
from training.steps.publish import publish


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training/ and Testing/ with drawn heads, the tumor a bright disc; one image is in both."""
    return draw_data(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def sources(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The drawn heads, and a cache."""
    return Sources((drawn_data,), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def run(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A quick run of the recipe vgg16."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "vgg16")
    step = run_step("train", "--recipe", "vgg16", "--quick", "--weights", "random", "--data", *sources.folders,
                    "--out", run.path, "--cache", sources.cache)  # fmt: skip
    assert step.returncode == 0, step.stderr
    return run


@pytest.fixture(scope="session")
def outsiders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of three kinds, one of them only for testing the gate."""
    folder, random = tmp_path_factory.mktemp("outsiders"), np.random.default_rng(0)
    for kind in ("noise", "shapes", "charts"):
        for i in range(3):
            write(folder / kind / f"{i}.png", Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)))
    return folder


@pytest.fixture(scope="session")
def calibrated(
    run: RunFolder, sources: Sources, outsiders: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:  # fmt: skip
    """A copy of the run, with its decision, gate and trust."""
    copy = RunFolder(tmp_path_factory.mktemp("calibrated") / "vgg16")
    shutil.copytree(run.path, copy.path)
    step = run_step("calibrate", "--run", copy.path, "--data", *sources.folders, "--outsiders", outsiders,
                    "--cache", sources.cache)  # fmt: skip
    assert step.returncode == 0, step.stderr
    return copy


@pytest.fixture(scope="session")
def weights(calibrated: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the published calibrated run."""
    folder = tmp_path_factory.mktemp("weights")
    publish(calibrated, [], folder, None, "1.0.0")
    return folder


@pytest.fixture(scope="session")
def evaluation(run: RunFolder, sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder written by `evaluate` for the uncalibrated run."""
    out, (data,) = tmp_path_factory.mktemp("evaluation"), sources.folders
    pair = (data / "Testing" / "no" / "0.png", data / "Training" / "no" / "0.png")
    step = run_step("evaluate", "--model", run.path, "--data", data, "--training-data", data,
                    "--audit", write_audit(out / "audit", [data], pair), "--out", out,
                    "--log", out / "scorings.md", "--reason", "a test")  # fmt: skip
    assert step.returncode == 0, step.stderr
    return out


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """Two collections: the second has a mirrored JPEG, a brighter small copy with another label, and new images."""
    pictures = [Image.fromarray(p).resize((120, 120)) for p in smooth_pictures(12)]
    for i, picture in enumerate(pictures[:8]):
        write(tmp_path / "first" / "Training" / ("glioma" if i % 2 else "no_tumor") / f"{i}.png", picture)
    second = tmp_path / "second"
    write(second / "no_tumor" / "mirrored.jpg", ImageOps.mirror(pictures[0]), quality=50)
    write(second / "meningioma" / "copy.png", pictures[1].resize((64, 64)).point(lambda v: int(255 * (v / 255) ** 0.7)))
    for i, picture in enumerate(pictures[8:]):
        write(second / "pituitary" / f"{i}.png", picture)
    (second / "pituitary" / "broken.png").write_bytes(b"broken")
    return tmp_path
