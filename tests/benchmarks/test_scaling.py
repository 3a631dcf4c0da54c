"""The commands behind docs/scaling.md: their archive, their simulated fleet, their page."""

import hashlib
import json
import random
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.scaling.fleet import Fleet, play, simulate
from benchmarks.scaling.page import write_page
from benchmarks.scaling.tree import make_tree
from tests.support.samples import SAMPLES, TOP

MEASURED = {
    "date": "2026-01-01", "machine": "a machine", "n_files": 1000,
    "engine": {"2 cores, batch 8": {"slices_per_second": 30.0, "cpu_seconds_per_slice": 0.06}},
    "scan": {"2 cores, batch 8": {"slices_per_second": 27.0, "cpu_seconds_per_slice": 0.07,
                                  "seconds_to_start_and_end": 6.0}},
    "slices_per_core_second": 13.5, "scaling_from_1_core": 1.9, "share_of_engine": 0.9,
    "files_listed_per_second": 100_000.0,
    "serving": {"seconds_until_ready": 4.0, "loaded_mb": 690.0, "working_mb": 720.0, "pictures_per_second": 15.0},
}  # fmt: skip
MEMORY = {
    "date": "2026-01-01", "machine": "a machine", "growth": 1.02,
    "by_files": {"1000": {"parent_mb": 600.0, "decoder_mb": 90.0}, "20000": {"parent_mb": 612.0, "decoder_mb": 90.0}},
}  # fmt: skip


def test_archive_has_so_many_files_some_of_them_damaged_and_is_the_same_each_time(tmp_path: Path) -> None:
    samples = SAMPLES
    n_damaged = [make_tree(samples, tmp_path / name, 60, seed=3) for name in ("a", "b")]
    first, second = (
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / name).rglob("*.jpg")}
        for name in ("a", "b")
    )
    assert len(first) == 60
    assert first == second
    n_whole = 0
    for file in (tmp_path / "a").rglob("*.jpg"):
        try:
            with Image.open(file) as picture:
                picture.load()
            n_whole += 1
        except OSError:
            continue
    assert n_damaged == [60 - n_whole] * 2


def test_fleet_without_failures_takes_its_start_and_its_share_of_the_slices() -> None:
    fleet = Fleet(n_slices=1000, n_machines=10, hours_between_failures=1e9, slices_per_second=2.0, start_seconds=5.0)
    assert play(fleet, random.Random(0)) == {"seconds": 55.0, "failures": 0, "busy": pytest.approx(50 / 55)}


def test_fleet_that_fails_more_often_takes_longer() -> None:
    seconds = [
        play(Fleet(10_000_000, 20, hours, 25.0, 60.0), random.Random(0))["seconds"] for hours in (1000.0, 10.0, 1.0)
    ]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[2]


def test_simulation_and_page_are_made_of_the_measured_figures(tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    figures.write_text(json.dumps({"measure": MEASURED, "memory": MEMORY}))
    simulate(figures)
    write_page(figures, page)
    text = page.read_text()
    assert "**13.5 slices per core and second**" in text
    assert "| 100,000,000 | 85.73 |" in text
    assert "A fleet that fails" in text
    assert "1.02 times as much" in text
    assert "| 20,000 | 612 MB |" in text


def test_simulation_without_measured_figures_says_what_to_run_first(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="scaling measure"):
        simulate(tmp_path / "none.json")


def test_page_is_that_of_its_figures(tmp_path: Path) -> None:
    write_page(TOP / "docs" / "scaling.json", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == (TOP / "docs" / "scaling.md").read_text(), (
        "run: python -m benchmarks.scaling page"
    )
