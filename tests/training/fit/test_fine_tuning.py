"""A training run never repeats a draw."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from model.card import CLASS_NAMES
from tests.support.training import write_picture
from training.data.decoded import decode
from training.data.folders import find_pictures
from training.data.outlines import Outlines
from training.data.split import Split
from training.feed.mixing import LabelledPictures
from training.fit.checkpoints import Progress
from training.fit.fine_tuning import fine_tuning_batches
from training.fit.networks import build
from training.fit.run_folder import Config, RunFolder
from training.recipes import recipe_for


def test_run_that_goes_on_draws_pictures_that_no_run_before_it_has_drawn(tmp_path: Path) -> None:
    first = Config({"fine_tune_epochs": 3}, False, "random", 0, {}, {})
    start = {"sha256": "0", "config": dataclasses.asdict(first)}
    earlier = RunFolder(tmp_path)
    earlier.write_config(dataclasses.replace(first, recipe={"fine_tune_epochs": 2}, start=start))
    for i, name in enumerate(["yes", "no"] * 4):
        write_picture(tmp_path / "data" / name / f"{i}.png", i)
    decoded = decode(find_pictures([tmp_path / "data"], "tumor_presence").pictures, 64)
    labels = decoded.labels(CLASS_NAMES["tumor_presence"])
    split = Split(np.arange(8), np.arange(0))
    known = LabelledPictures(decoded.pixels, labels, np.zeros(8, int), Outlines.of([None] * 8, 64), 0)
    recipe = recipe_for("vgg16", None, quick=True)
    network = build(recipe, "random")

    def drawn(start: RunFolder | None, finished_epochs: int) -> np.ndarray:
        request = SimpleNamespace(recipe=recipe, start=start, seed=0)
        material = SimpleNamespace(known=known, split=split)
        return fine_tuning_batches(request, material, network, Progress(finished_epochs=finished_epochs))[0][0]

    assert not np.array_equal(drawn(earlier, 0), drawn(None, 0))
    # It draws the same as one long run, even after a kill.
    assert np.array_equal(drawn(earlier, 0), drawn(None, 5))
    assert np.array_equal(drawn(earlier, 1), drawn(None, 6))
