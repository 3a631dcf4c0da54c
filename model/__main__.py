"""Classify files and folders on the command line: `python -m model PATH... [--csv out.csv] [--model NAME]`."""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from tqdm import tqdm

from model.answering import Result, SlicesDone, answers
from model.card import DEFAULT_MODELS, DISCLAIMER, WEIGHTS_FOLDER
from model.errors import UNREADABLE_FILE, ModelFileError
from model.network.classifier import Classifier, load_classifier
from model.network.precision import FLOAT32, PRECISIONS
from model.reading.archives import name_in
from model.reading.contents import OWN_MACHINE
from model.reading.many_files import BEGINNING_BYTES, by_series, read_files
from model.records import Row, command_columns, refused_cells, row_of, write_csv
from model.scan.command import main as scan


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify each file; return 0 when all succeeded, 1 when a file failed, 2 when nothing could be done."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["scan"]:
        return scan(arguments[1:])
    options = _parse(arguments)
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        print(f"Nothing found at: {', '.join(map(str, missing))}", file=sys.stderr)
        return 2
    files = list(_files_of(options.paths))
    if not files:
        print("The folders hold no files.", file=sys.stderr)
        return 2
    try:
        classifier = load_classifier(options.models / f"{options.model}.json", precision=options.precision)
    except ModelFileError as error:
        print(error, file=sys.stderr)
        return 2
    print(DISCLAIMER, file=sys.stderr)
    return _write_rows(classifier, files, options.csv)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model",
        description="Classify brain MRI images and volumes. For whole archives: python -m model scan --help.",
        epilog=DISCLAIMER,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="image, DICOM, NIfTI or other volume, zip file, or folder of these (read whole)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="file for the table (default: standard output)")
    parser.add_argument(
        "--model", default=DEFAULT_MODELS[0], metavar="NAME", help="model to use (default: %(default)s)"
    )
    parser.add_argument(
        "--models", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="folder of cards and weights"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=FLOAT32,
        help="bfloat16 is faster and less exact; auto takes it where the processor has it (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def _files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files, those of a folder in sorted order; hidden ones (.DS_Store and the like) only if named."""
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file() and p.name.upper() != "DICOMDIR")
            yield from (p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
        else:
            yield path


def _write_rows(classifier: Classifier, files: Sequence[Path], csv_path: Path | None) -> int:
    n_rows = n_failed = 0

    def counted() -> Iterator[Row]:
        nonlocal n_rows, n_failed
        # One series is in memory at a time.
        for places in tqdm(
            by_series(map(_beginning, files), [str(file) for file in files]), unit="file", file=sys.stderr
        ):
            for row in _rows(classifier, [files[place] for place in places]):
                n_rows += 1
                n_failed += bool(row.get("error"))
                yield row

    with csv_path.open("w", newline="", encoding="utf-8") if csv_path else nullcontext(sys.stdout) as output:
        write_csv(output, command_columns(classifier.card.class_names), counted())
    print(f"{n_rows - n_failed} of {n_rows} images and volumes classified, {n_failed} failed.", file=sys.stderr)
    return 1 if n_failed else 0


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BEGINNING_BYTES)
    except OSError:
        return b""


def _rows(classifier: Classifier, files: Sequence[Path]) -> Iterator[Row]:
    """Yield a row per image and per volume, with the path of its first file."""
    try:
        contents = [file.read_bytes() for file in files]
    except OSError as error:
        sentence = f"The file cannot be read: {error.strerror}."
        yield from ({"path": str(file), **refused_cells(UNREADABLE_FILE, sentence)} for file in files)
        return
    sha256 = [hashlib.sha256(content).hexdigest() for content in contents]
    for step in answers(read_files(contents, OWN_MACHINE), classifier):
        if not isinstance(step, SlicesDone):
            yield {"path": _path_of(step, files, contents), **row_of(step, sha256)}


def _path_of(result: Result, files: Sequence[Path], contents: Sequence[bytes]) -> str:
    """Return the path of a result's first file; a zip file's own path goes before those in it."""
    place = result.files[0]
    return str(files[place].joinpath(*(name_in(contents[place], member.place) for member in result.members[:1])))


if __name__ == "__main__":
    sys.exit(main())
