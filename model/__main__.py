"""Classify files and folders from the command line: `python -m model PATH... [--csv out.csv] [--model NAME]`."""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from model.answers.answer import NOT_BRAIN_MRI
from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary, summarize
from model.card import DEFAULT_MODELS, DISCLAIMER, WEIGHTS_FOLDER
from model.errors import ImageError, ModelFileError
from model.network.classifier import Classifier, load_classifier
from model.reading.contents import Limits, MriImage, MriVolume
from model.reading.dicom.series import series_of
from model.reading.many_files import read_files
from model.reading.signatures import is_dicom
from model.reading.sizes import MAX_VOXELS
from model.scan.command import main as scan

# On one's own machine a series may be larger than what a server takes from strangers.
LIMITS = Limits(max_voxels=4 * MAX_VOXELS, max_files=20_000)
# Slices of a volume that are classified in one pass.
BATCH = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify each file; give 0 when all succeeded, 1 when a file failed, 2 when nothing could be done."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["scan"]:
        return scan(arguments[1:])
    options = _parse(arguments)
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        print(f"Expected files or folders. There is nothing at: {', '.join(map(str, missing))}", file=sys.stderr)
        return 2
    files = list(_files_of(options.paths))
    if not files:
        print("Expected at least one file. The folders hold none.", file=sys.stderr)
        return 2
    try:
        classifier = load_classifier(options.models / f"{options.model}.json")
    except ModelFileError as error:
        print(error, file=sys.stderr)
        return 2
    print(DISCLAIMER, file=sys.stderr)
    return _write_rows(classifier, files, options.csv)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model",
        description="Classify brain MRI pictures and volumes. For whole archives: python -m model scan --help.",
        epilog=DISCLAIMER,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="picture, DICOM, NIfTI or zip file, or folder of these (read whole)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="where the table goes (default: standard output)")
    parser.add_argument(
        "--model", default=DEFAULT_MODELS[0], metavar="NAME", help="model to use (default: %(default)s)"
    )
    parser.add_argument(
        "--models", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="folder of cards and weights"
    )
    return parser.parse_args(arguments)


def _files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """Give the files, those of a folder in sorted order; hidden ones (.DS_Store and the like) only if named."""
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file() and p.name.upper() != "DICOMDIR")
            yield from (p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
        else:
            yield path


def _together(files: Sequence[Path]) -> list[list[Path]]:
    """Put the files of one DICOM series together, so that one series is in memory at a time; others stand alone."""
    groups: dict[str | Path, list[Path]] = {}
    for file in files:
        try:
            content = file.read_bytes()
        except OSError:
            content = b""
        series = series_of(content) if is_dicom(content) else ""
        groups.setdefault(series or file, []).append(file)
    return list(groups.values())


def _write_rows(classifier: Classifier, files: Sequence[Path], csv_path: Path | None) -> int:
    output = csv_path.open("w", newline="", encoding="utf-8") if csv_path else sys.stdout
    n_rows = n_failed = 0
    try:
        probabilities = [f"p_{name}" for name in classifier.card.class_names]
        writer = csv.DictWriter(output, ["path", "answer", "predicted_class", *probabilities, "n_slices", "error"])
        writer.writeheader()
        for group in tqdm(_together(files), unit="file", file=sys.stderr):
            for row in _rows(classifier, group):
                n_rows += 1
                n_failed += bool(row["error"])
                writer.writerow(row)
    finally:
        if csv_path:
            output.close()
    print(f"{n_rows - n_failed} of {n_rows} pictures and volumes classified, {n_failed} failed.", file=sys.stderr)
    return 1 if n_failed else 0


def _rows(classifier: Classifier, files: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Give a row per picture and per volume, with the path of its first file."""
    try:
        contents = [file.read_bytes() for file in files]
    except OSError as error:
        yield from ({"path": str(file), "error": f"The file cannot be read: {error.strerror}."} for file in files)
        return
    for reading in read_files(contents, LIMITS):
        path = str(files[reading.files[0]])
        try:
            yield {"path": path, "error": "", **_row(classifier, reading.content)}
        except ImageError as error:
            yield {"path": path, "error": str(error)}


def _row(classifier: Classifier, content: MriImage | MriVolume | ImageError) -> dict[str, str]:
    if isinstance(content, ImageError):
        raise content
    if isinstance(content, MriVolume):
        n_slices = len(content.slices)
        judged: Prediction | VolumeSummary = summarize(_predict(classifier, content), content.brain_slices())
    else:
        n_slices, judged = 1, classifier.predict([content])[0]
    row = {"answer": judged.answer, "n_slices": str(n_slices)}
    if judged.answer == NOT_BRAIN_MRI:
        return row
    probabilities = {f"p_{name}": f"{p:.4f}" for name, p in judged.by_class().items()}
    return row | {"predicted_class": judged.predicted_class, **probabilities}


def _predict(classifier: Classifier, volume: MriVolume) -> list[Prediction]:
    """Classify the slices with brain in them, some at a time."""
    indices = volume.brain_slices()
    batches = [indices[i : i + BATCH] for i in range(0, len(indices), BATCH)]
    return [prediction for batch in batches for prediction in classifier.predict([volume.image(i) for i in batch])]


if __name__ == "__main__":
    sys.exit(main())
