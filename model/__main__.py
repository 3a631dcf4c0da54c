"""Classify files and folders from the command line: `python -m model PATH... [--csv out.csv] [--model NAME]`."""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from model.card import DISCLAIMER
from model.classifier import DEFAULT_MODELS, WEIGHTS_FOLDER, Classifier
from model.errors import ImageError, ModelFileError
from model.reading import read_image


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify each file; give 0 when all succeeded, 1 when a file failed, 2 when nothing could be done."""
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
        classifier = Classifier.load(options.models / f"{options.model}.json")
    except ModelFileError as error:
        print(error, file=sys.stderr)
        return 2
    print(DISCLAIMER, file=sys.stderr)
    return _write_rows(classifier, files, options.csv)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model", description="Classify brain MRI pictures.", epilog=DISCLAIMER
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="picture, or folder of pictures (read whole)"
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
            inside = (p for p in sorted(path.rglob("*")) if p.is_file())
            yield from (p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
        else:
            yield path


def _write_rows(classifier: Classifier, files: Sequence[Path], csv_path: Path | None) -> int:
    output = csv_path.open("w", newline="", encoding="utf-8") if csv_path else sys.stdout
    n_failed = 0
    try:
        columns = ["path", "answer", "predicted_class", *(f"p_{name}" for name in classifier.card.class_names), "error"]
        writer = csv.DictWriter(output, columns)
        writer.writeheader()
        for file in tqdm(files, unit="file", file=sys.stderr):
            row = _row(classifier, file)
            n_failed += bool(row["error"])
            writer.writerow(row)
    finally:
        if csv_path:
            output.close()
    print(f"{len(files) - n_failed} of {len(files)} files classified, {n_failed} failed.", file=sys.stderr)
    return 1 if n_failed else 0


def _row(classifier: Classifier, file: Path) -> dict[str, str]:
    try:
        prediction = classifier.predict([read_image(file)])[0]
    except ImageError as error:
        return {"path": str(file), "error": str(error)}
    except OSError as error:
        return {"path": str(file), "error": f"The file cannot be read: {error.strerror}."}
    row = {"path": str(file), "answer": prediction.answer, "error": ""}
    if not prediction.is_brain_mri:
        return row
    probabilities = {f"p_{name}": f"{p:.4f}" for name, p in prediction.by_class().items()}
    return row | {"predicted_class": prediction.predicted_class, **probabilities}


if __name__ == "__main__":
    sys.exit(main())
