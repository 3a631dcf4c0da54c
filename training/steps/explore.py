"""Look at the data before training: counts, sizes, intensities, examples, identical files."""

import argparse
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from model.card import CLASS_NAMES, TUMOR_TYPE
from model.errors import ImageError
from model.reading.contents import MriImage
from model.reading.one_file import read_image
from model.safe_files import write_atomically
from training.data.folders import Picture, fingerprint, require_readable
from training.data.sources import Sources, add_data
from training.drawing import plots
from training.drawing.page import Section, Table, write_page
from training.figures import Figures
from training.fit.run_folder import RUNS

N_EXAMPLES = 10


@dataclass(frozen=True, eq=False)
class Look:
    """Facts about one readable file. histogram: int64 (256,), pixels per grey level."""

    picture: Picture
    width_px: int
    height_px: int
    file_format: str
    mode: str
    sha256: str
    histogram: NDArray[np.int64]


@dataclass(frozen=True)
class Overview(Figures):
    """Counts of classes per split, sizes, modes and formats; names of identical files."""

    n_pictures: int
    counts: dict[str, dict[str, int]]
    sizes: dict[str, int]
    modes: dict[str, int]
    formats: dict[str, int]
    identical_files: list[list[str]]
    problems: list[str]
    fingerprint: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the folders."""
    add_data(parser)
    parser.add_argument("--task", choices=list(CLASS_NAMES), default=TUMOR_TYPE)
    parser.add_argument("--out", type=Path, default=RUNS / "explore", metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="seed for drawing ten examples")


def run(options: argparse.Namespace) -> None:
    """Explore."""
    explore(Sources(tuple(options.data), classes=tuple(options.classes)), options.task, options.out, options.seed)


def explore(sources: Sources, task: str, out: Path, seed: int) -> None:
    """Write summary.json, report.html and its images into a folder.

    Raises:
        DataError: the folders have no readable images.
    """
    found = sources.find(task)
    looks, unreadable = look_at_all(found.pictures)
    require_readable(looks, unreadable)
    out.mkdir(parents=True, exist_ok=True)
    overview = summarize(looks, [*found.problems, *unreadable], fingerprint(found.pictures))
    write_atomically(out / "summary.json", json.dumps(overview.plain(), indent=1).encode())
    _draw(looks, overview, out, seed)
    _write_report(overview, out)
    n_problems, n_sets = len(overview.problems), len(overview.identical_files)
    print(f"{len(looks)} images, {n_problems} problems, {n_sets} sets of identical files: {out}/report.html")


def look_at_all(pictures: Sequence[Picture]) -> tuple[list[Look], list[str]]:
    """Read every image. Return its facts, and one sentence per unreadable image."""
    looks, unreadable = [], []
    for picture in tqdm(pictures, desc="reading", unit="image"):
        try:
            looks.append(_look(picture))
        except (ImageError, OSError) as error:
            unreadable.append(f"{picture.name}: {error}")
    return looks, unreadable


def summarize(looks: Sequence[Look], problems: Sequence[str], of_all: str) -> Overview:
    """Count classes per split, sizes, modes and formats, and list identical files."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    by_content = defaultdict(list)
    for look in looks:
        counts[look.picture.split][look.picture.class_name] += 1
        by_content[look.sha256].append(look.picture.name)
    sizes = Counter(f"{look.width_px}x{look.height_px}" for look in looks)
    return Overview(
        n_pictures=len(looks),
        counts={split: dict(sorted(of_class.items())) for split, of_class in sorted(counts.items())},
        sizes=dict(sizes.most_common()),
        modes=dict(Counter(look.mode for look in looks).most_common()),
        formats=dict(Counter(look.file_format for look in looks).most_common()),
        identical_files=sorted(names for names in by_content.values() if len(names) > 1),
        problems=list(problems),
        fingerprint=of_all,
    )


def _look(picture: Picture) -> Look:
    content = picture.path.read_bytes()
    image: MriImage = read_image(content)
    with Image.open(picture.path) as opened:
        mode = opened.mode
    height, width = image.pixels.shape
    histogram = np.bincount(image.pixels.ravel(), minlength=256)
    return Look(picture, width, height, image.format, mode, hashlib.sha256(content).hexdigest(), histogram)


def _draw(looks: Sequence[Look], overview: Overview, out: Path, seed: int) -> None:
    plots.bars_per_split(overview.counts, out / "counts.png")
    plots.picture_sizes(np.array([(look.width_px, look.height_px) for look in looks]), out / "sizes.png")
    histograms: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(256))
    for look in looks:
        histograms[look.picture.class_name] += look.histogram / look.histogram.sum()
    shares = {name: histogram / histogram.sum() for name, histogram in sorted(histograms.items())}
    plots.intensity_histograms(shares, out / "intensities.png")
    chosen = np.random.default_rng(seed).choice(len(looks), min(N_EXAMPLES, len(looks)), replace=False)
    examples = [looks[i].picture for i in chosen]
    captions = [f"{p.class_name}\n{p.split}" for p in examples]
    plots.gallery([read_image(p.path).pixels for p in examples], captions, out / "examples.png")


def _write_report(overview: Overview, out: Path) -> None:
    counts, identical = overview.counts, overview.identical_files
    classes = sorted({name for of_class in counts.values() for name in of_class})
    rows = [[split, *(of_class.get(c, 0) for c in classes)] for split, of_class in counts.items()]
    sections = [
        Section("Images per class", (f"Data fingerprint (SHA-256): {overview.fingerprint}",),
                Table(["split", *classes], rows), {out / "counts.png": "Bar chart of images per class"}),
        Section("Examples", pictures={out / "examples.png": "Ten images drawn at random, with their labels"}),
        Section("Sizes", (f"{len(overview.sizes)} different sizes; the most frequent:",),
                Table(["width x height", "images"], list(overview.sizes.items())[:10]),
                {out / "sizes.png": "Width against height"}),
        Section("Modes and formats", (), Table(["mode or format", "images"],
                [*overview.modes.items(), *overview.formats.items()])),
        Section("Intensities", pictures={out / "intensities.png": "Grey level histograms per class"}),
        Section("Identical files", (f"{len(identical)} sets of files with the same bytes.",),
                Table(["file", "the same as"], [[names[0], ", ".join(names[1:])] for names in identical])),
        Section("Problems", overview.problems or ("None.",)),
    ]  # fmt: skip
    write_page(out / "report.html", "The data", sections)
