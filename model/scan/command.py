"""`python -m model scan SOURCE... --out DIR`: classify an archive, on one machine or as one of many jobs."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model.card import DEFAULT_MODELS, DISCLAIMER, WEIGHTS_FOLDER, read_card
from model.errors import ModelFileError
from model.network.classifier import load_classifier
from model.network.engine import n_cores
from model.network.precision import FLOAT32, PRECISIONS, usable
from model.scan.errors import ScanError
from model.scan.listing.inputs import Shard, absolute
from model.scan.listing.remote import is_remote
from model.scan.listing.sources import normalized
from model.scan.rows.predictor import Effort, Predictor
from model.scan.rows.ray_engine import RayEngine
from model.scan.run import (
    ALL_DONE,
    NOTHING_DONE,
    SOME_FAILED,
    Engine,
    finish,
    list_todo,
    stops_on_sigterm,
    work_through,
)
from model.scan.scan_folder import Request, ScanFolder
from model.scan.table.parts import arrow

# Reading from an object store is mostly waiting.
_REMOTE_DECODERS = 8
_DECODERS_PER_ACTOR = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan; return 0 if every file has its answer, 1 if some failed or were not reached, 2 if nothing was done."""
    options = _parser().parse_args(arguments)
    try:
        folder, card_path = _open(options)
    except (ScanError, ModelFileError) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    print(DISCLAIMER, file=sys.stderr)
    with folder:
        try:
            with stops_on_sigterm():
                return _scan(folder, card_path, options)
        except (ScanError, ModelFileError) as error:
            print(error, file=sys.stderr)
        except KeyboardInterrupt:
            print("Stopped. Finished rows are kept; continue with --resume.", file=sys.stderr)
        return SOME_FAILED if folder.parts.files() else NOTHING_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model scan", description=__doc__, epilog=DISCLAIMER)
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE",
        help="file, folder (read whole), pattern, .zip file, or address such as s3://bucket/folder",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the table and the report go")
    parser.add_argument("--resume", action="store_true", help="resume the scan in DIR, or start it")
    parser.add_argument(
        "--allow-failed", action="store_true",
        help="exit with 0 once every file has its row, even if some failed: schedulers restart what exits with 1",
    )  # fmt: skip
    parser.add_argument(
        "--shard", default="0/1", metavar="i/N", help="scan part i of N, i from 0; the last to finish merges all"
    )
    parser.add_argument("--model", default=DEFAULT_MODELS[0], metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--models", type=Path, default=WEIGHTS_FOLDER, metavar="DIR", help="folder of cards and weights"
    )
    parser.add_argument(
        "--engine", choices=["plain", "ray"], default="plain",
        help="plain: this machine alone; ray: a Ray cluster (pip install -r requirements/ray.txt)",
    )  # fmt: skip
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="the Ray cluster to join (default: start Ray on this machine)"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=FLOAT32,
        help="bfloat16 is faster and less exact; auto takes it where this processor has it (default: %(default)s)",
    )  # fmt: skip
    _add_effort(parser)
    return parser


def _add_effort(parser: argparse.ArgumentParser) -> None:
    usual = Effort()
    parser.add_argument(
        "--batch", type=_positive, default=usual.batch, metavar="N", help="slices per pass: %(default)s"
    )
    parser.add_argument(
        "--decoders", type=_positive, metavar="N",
        help=f"decoding processes (default: one per core; at least {_REMOTE_DECODERS} for addresses)",
    )  # fmt: skip
    parser.add_argument(
        "--decoder-memory-mb", type=_positive, default=usual.decoder_memory_mb, metavar="N",
        help="address space of each; a file that needs more is given up (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds-per-file", type=float, default=usual.seconds_per_file, metavar="S",
        help="a file that takes longer to decode is given up (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, metavar="S",
        help="how often rows are written, and so how much a kill can cost (default: %(default)s)",
    )  # fmt: skip


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


def _open(options: argparse.Namespace) -> tuple[ScanFolder, Path]:
    """Check the request, and claim the folder.

    Raises:
        ScanError, ModelFileError: part of it cannot be used.
    """
    arrow()
    shard, sources = Shard.parse(options.shard), normalized(options.sources)
    card_path = options.models / f"{options.model}.json"
    card = read_card(card_path)
    request = Request(
        tuple(sources), shard.n_shards, card.name, card.version, card.sha256, tuple(card.class_names),
        precision=usable(options.precision),
    )  # fmt: skip
    return ScanFolder(Path(absolute(options.out)), request, shard, options.resume), card_path


def _scan(folder: ScanFolder, card_path: Path, options: argparse.Namespace) -> int:
    """Do the steps.

    Raises:
        ScanError, ModelFileError: the scan cannot continue.
    """
    todo = list_todo(folder)
    if not todo.n_listed and folder.request.n_shards == 1:
        raise ScanError("The sources hold no files.")
    if todo.n_left:
        with _engine(card_path, options, folder.request) as engine:
            work_through(folder, engine, todo, options.checkpoint_seconds)
    code, _ = finish(folder)
    print(_conclusion(folder, code), file=sys.stderr)
    return ALL_DONE if options.allow_failed else code


@contextmanager
def _engine(card_path: Path, options: argparse.Namespace, request: Request) -> Iterator[Engine]:
    effort = Effort(
        options.decoders or _usual_decoders(request.sources), options.batch, options.decoder_memory_mb,
        options.seconds_per_file,
    )  # fmt: skip
    if options.engine == "ray":
        # An actor takes one core; one process decodes on it while the network computes.
        effort = dataclasses.replace(effort, n_decoders=options.decoders or _DECODERS_PER_ACTOR)
        with RayEngine(card_path, effort, options.address, request.precision) as cluster:
            yield cluster
        return
    with Predictor(load_classifier(card_path, precision=request.precision), effort) as predictor:
        yield predictor


def _usual_decoders(sources: Sequence[str]) -> int:
    return max(n_cores(), _REMOTE_DECODERS) if any(map(is_remote, sources)) else n_cores()


def _conclusion(folder: ScanFolder, code: int) -> str:
    said = "Every file has its answer." if code == ALL_DONE else "Some files failed; their rows say why."
    return f"{folder.shard}: {said}"
