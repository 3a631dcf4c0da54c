"""An archive of any number of files, made from some images: encoded again, renamed, and some of them damaged."""

import argparse
import random
from pathlib import Path

from PIL import Image

DAMAGED_SHARE = 0.02
_PER_FOLDER = 1000
_SUFFIXES = {".jpg", ".jpeg", ".png"}


def run(options: argparse.Namespace) -> None:
    """Make the archive, and print how many of its files are damaged."""
    n_damaged = make_tree(options.pictures, options.out, options.files)
    print(f"{options.files} files in {options.out}, {n_damaged} of them damaged.")


def make_tree(pictures: Path, out: Path, n_files: int, seed: int = 0) -> int:
    """Write the archive; return how many of its files are damaged. The same arguments give the same archive."""
    originals = sorted(file for file in pictures.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not originals:
        raise SystemExit(f"There are no images in {pictures}.")
    drawn = random.Random(seed)
    drawn.shuffle(originals)
    n_damaged = 0
    for i in range(n_files):
        folder = out / f"{i // _PER_FOLDER:05}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{drawn.getrandbits(64):016x}.jpg"
        with Image.open(originals[i % len(originals)]) as picture:
            picture.convert("L").save(file, "JPEG", quality=drawn.randint(70, 95))
        if drawn.random() < DAMAGED_SHARE:
            n_damaged += 1
            content = file.read_bytes()
            file.write_bytes(content[: drawn.randrange(len(content) // 2)])
    return n_damaged
