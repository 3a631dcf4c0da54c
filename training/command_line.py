"""From folders of images to a published network, in the order of the steps."""

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from model.card import DISCLAIMER
from model.errors import ModelFileError
from training.errors import TrainingError

# Each step is a module of the same name with `arguments(parser)` and `run(options)`.
STEPS = {
    "explore": "look at the data before training: report.html, summary.json and images",
    "audit": "find copies across folders, contradicting labels, images other than brain MRI",
    "train": "train a network into a run folder",
    "calibrate": "choose, on a run's validation images, when its answers are certain",
    "evaluate": "measure a run or a published model on labelled images",
    "publish": "put a run's best network into model/weights with its card",
    "adopt": "make a served model of a Keras file from elsewhere",
}
STUDIES = {
    "cross-validate": "train several times, each time without some groups; score those",
    "compare": "compare two runs or cross-validations on what both held out",
    "dissect": "measure accuracy on the lesion only, and on the background only",
    "slices": "write the slices of NIfTI volumes as images of a class, for `evaluate`",
    "report": "write MODEL_CARD.md, README's tables, served.json and docs/studies",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step. Return 0 on success, 2 if it cannot be done."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Folder names may not be UTF-8.
        sys.stdout.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given[:2]).parse_args(given)
    try:
        options.step(options)
    except (TrainingError, ModelFileError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser(chosen: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__, epilog=DISCLAIMER)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    _add(steps, "training.steps", STEPS, chosen)
    study = steps.add_parser("study", help="commands for studies: " + ", ".join(STUDIES))
    _add(study.add_subparsers(required=True, metavar="NAME"), "training.studies", STUDIES, chosen)
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", package: str, sentences: dict[str, str],
    chosen: Sequence[str],
) -> None:  # fmt: skip
    for name, sentence in sentences.items():
        parser = commands.add_parser(name, help=sentence)
        # Import only the chosen step: TensorFlow takes seconds, and --help need not wait for it.
        if name in chosen:
            module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
            module.arguments(parser)
            parser.set_defaults(step=module.run)
