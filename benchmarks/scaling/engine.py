"""`python -m benchmarks.scaling.engine DIR BATCH`: the engine alone, on images that are decoded already, as JSON."""

import itertools
import json
import os
import sys
import time
from pathlib import Path

from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER
from model.errors import ImageError
from model.network.classifier import Classifier
from model.reading.contents import MriImage
from model.reading.one_file import read_image

_N_PICTURES = 96
_SECONDS = 8.0


def pictures_in(folder: Path) -> list[MriImage]:
    """Decode the first images of a folder that can be decoded."""
    found: list[MriImage] = []
    for file in itertools.islice(sorted(path for path in folder.rglob("*") if path.is_file()), 2 * _N_PICTURES):
        try:
            found.append(read_image(file))
        except ImageError:
            continue
    return found[:_N_PICTURES]


def main(folder: str, batch: str) -> None:
    """Classify in batches for some seconds; preprocessing is part of it, decoding is not."""
    images, size = pictures_in(Path(folder)), int(batch)
    classifier = Classifier.load(WEIGHTS_FOLDER / f"{DEFAULT_MODELS[0]}.json")
    classifier.predict(images[:size])
    n, started, before = 0, time.monotonic(), time.process_time()
    for first in itertools.cycle(range(0, len(images) - size + 1, size)):
        classifier.predict(images[first : first + size])
        n += size
        if time.monotonic() - started > _SECONDS:
            break
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - before
    print(json.dumps({"slices_per_second": n / seconds, "cpu_seconds_per_slice": cpu_seconds / n, "pid": os.getpid()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
