"""Drawn heads by class, as folders to train on: without a tumor, and with a bright disc as the tumor."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.safe_files import sha256_of

_SIZE_PX = 256
BOXES_HEAD = "path,figshare_class,figshare_slice,x_center,y_center,width,height"


def drawn_head(lesion: tuple[float, float] | None = None) -> np.ndarray:
    """Draw a head by formula, uint8 (256, 256); lesion: row and column of its centre, from -1 to 1."""
    y, x = np.meshgrid(np.linspace(-1, 1, _SIZE_PX), np.linspace(-1, 1, _SIZE_PX), indexing="ij")
    radius = np.hypot(x / 0.7, y / 0.85)
    head = np.where(radius < 1, 200.0, 0.0)
    head = np.where(radius < 0.9, 30.0, head)
    folds = 20 * np.sin(18 * x) * np.sin(16 * y)
    head = np.where(radius < 0.86, 110 + folds, head)
    head = np.where(np.hypot((np.abs(x) - 0.12) / 0.07, y / 0.25) < 1, 40.0, head)
    if lesion:
        head = np.where(np.hypot(y - lesion[0], x - lesion[1]) < 0.15, 230.0, head)
    return np.clip(head, 0, 255).astype(np.uint8)


PLAIN, WITH_LESION = drawn_head(), drawn_head((-0.35, 0.3))


def texture(random: np.random.Generator) -> np.ndarray:
    """Draw a texture, strong enough to keep any two heads from counting as copies."""
    blobs = random.integers(0, 200, (9, 9), np.uint8)
    return np.asarray(Image.fromarray(blobs).resize((_SIZE_PX, _SIZE_PX), Image.Resampling.BICUBIC))


def textured(head: np.ndarray, drawn: np.ndarray) -> Image.Image:
    """Put a texture into a drawn head; its tumor becomes white."""
    return Image.fromarray(np.where(head >= 230, 255, np.where(head > 0, drawn, 0)).astype(np.uint8))


def draw_data(top: Path) -> Path:
    """Write Training/ and Testing/ with 24 and 6 heads of either class; one image is in both."""
    random = np.random.default_rng(0)
    for split, n in (("Training", 24), ("Testing", 6)):
        for name, head in (("no", PLAIN), ("yes", WITH_LESION)):
            folder = top / split / name
            folder.mkdir(parents=True)
            for i in range(n):
                textured(head, texture(random)).save(folder / f"{i}.png")
    copy = (top / "Training" / "yes" / "0.png").read_bytes()
    (top / "Testing" / "yes" / "copy.png").write_bytes(copy)
    return top


def draw_series(top: Path, n: int) -> tuple[Path, Path]:
    """Write n heads of either class, and the tumors' boxes as slices of one series; return the folder and the table."""
    random = np.random.default_rng(1)
    places = np.argwhere(WITH_LESION != PLAIN)
    (first, left), (last, right) = places.min(axis=0), places.max(axis=0) + 1
    size, center = _SIZE_PX, ((left + right) / 2 / _SIZE_PX, (first + last) / 2 / _SIZE_PX)
    lines, common = [BOXES_HEAD], texture(random)
    for i in range(n):
        for name, head in (("no", PLAIN), ("yes", WITH_LESION)):
            (top / "heads" / name).mkdir(parents=True, exist_ok=True)
            # Similar enough for one to cover another's tumor, but not copies: validation keeps only one of those.
            drawn = (common * 0.5 + texture(random) * 0.5).astype(np.uint8)
            textured(head, drawn).save(top / "heads" / name / f"{i}.png")
        lines.append(f"yes/{i}.png,glioma,{i},{center[0]},{center[1]},{(right - left) / size},{(last - first) / size}")
    (top / "boxes.csv").write_text("\n".join(lines) + "\n")
    return top / "heads", top / "boxes.csv"


def write_audit(out: Path, folders: list[Path], pair: tuple[Path, Path]) -> Path:
    """Write the tables of an audit of all images, with one pair found by the network's features."""

    out.mkdir()
    files = [file for folder in folders for file in folder.rglob("*.png")]
    (out / "groups.csv").write_text("\n".join(["name,sha256", *(f"{file},{sha256_of(file)}" for file in files)]))
    (out / "pairs.csv").write_text(f"first,second,found_by\n{pair[0]},{pair[1]},network\n")
    return out


# Side of `brain`.
SIZE = 80


def brain(level: int = 110, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a disc of one grey level with noise, uint8 (SIZE, SIZE)."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    noise = np.random.default_rng(seed).normal(0, 3, (SIZE, SIZE))
    return np.where(np.hypot(x, y) < 0.95, level + noise, 0).astype(np.uint8)


def with_lesion() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a head with a bright disc in its left upper quarter, and the disc's outline."""
    picture = brain()
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    lesion = np.hypot(y - 30, x - 24) < 7
    picture[lesion] = 220
    return picture, lesion.astype(np.float32)
