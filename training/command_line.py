"""The arguments of each step, and one clear line where a step cannot be done."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.card import CLASS_NAMES, DISCLAIMER, TUMOR_TYPE
from model.errors import ModelFileError
from model.reading.orientation import PLANES
from training.data.folders import DataError
from training.fit.recipes import RECIPES, Recipe, recipe_for

if TYPE_CHECKING:
    from training.steps.train import Request

_RUNS = Path("runs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; give 0 when it was done and 2 when it cannot be done."""
    options = _parser().parse_args(arguments)
    # The steps need seconds to import; --help does not wait for them.
    from training.feed.devices import DevicesError
    from training.fit.networks import WeightsError
    from training.steps.publish import PublishError

    try:
        options.step(options)
    except (DataError, DevicesError, WeightsError, ModelFileError, PublishError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__, epilog=DISCLAIMER)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    _add_explore(steps)
    _add_audit(steps)
    _add_train(steps)
    _add_cross_validate(steps)
    _add_outsiders(steps)
    _add_slices(steps)
    _add_blend(steps)
    _add_reopen(steps)
    _add_calibrate(steps)
    _add_dissect(steps)
    _add_compare(steps)
    _add_evaluate(steps)
    _add_publish(steps)
    _add_known_answers(steps)
    _add_report(steps)
    return parser


def _add_data(step: argparse.ArgumentParser, required: bool = True) -> None:
    step.add_argument(
        "--data", nargs="+", type=Path, required=required, action="extend", metavar="DIR",
        help="a folder per class, or Training/ and Testing/ folders of them; may be given several times",
    )  # fmt: skip


def _add_boxes(step: argparse.ArgumentParser) -> None:
    step.add_argument(
        "--boxes", type=Path, metavar="FILE",
        help="CSV of lesion boxes and slice numbers: lesions are pasted, neighbours kept together",
    )  # fmt: skip


def _add_audited(step: argparse.ArgumentParser) -> None:
    step.add_argument(
        "--audit", type=Path, metavar="DIR",
        help="what `audit --model` wrote: copies that only the network's features found count as near-duplicates too",
    )  # fmt: skip


def _add_explore(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("explore", help="look at the data before training: report.html, summary.json and pictures")
    _add_data(step)
    step.add_argument("--task", choices=list(CLASS_NAMES), default="tumor_type")
    step.add_argument("--out", type=Path, default=_RUNS / "explore", metavar="DIR")
    step.add_argument("--seed", type=int, default=0, help="draws the ten pictures shown")
    step.set_defaults(step=_explore)


def _add_audit(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("audit", help="find copies across folders, contradicting labels, what is no brain MRI")
    _add_data(step)
    _add_boxes(step)
    step.add_argument("--task", choices=list(CLASS_NAMES), default=TUMOR_TYPE, help="whose class folders are read")
    step.add_argument("--model", type=Path, metavar="CARD", help="a published model whose gate looks for outsiders")
    step.add_argument("--out", type=Path, default=_RUNS / "audit", metavar="DIR")
    step.add_argument("--cache", type=Path, default=_RUNS / "cache", metavar="DIR")
    step.set_defaults(step=_audit)


def _add_train(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("train", help="train a network into a run folder")
    _add_training(step)
    step.add_argument("--resume", action="store_true", help="go on with the run in the run folder")
    step.set_defaults(step=_train)


def _add_cross_validate(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("cross-validate", help="train several times, each time without some groups; score those")
    _add_training(step)
    step.add_argument("--folds", type=int, default=3)
    step.add_argument("--by-collection", action="store_true", help="leave out one collection at a time instead")
    step.set_defaults(step=_cross_validate)


def _add_training(step: argparse.ArgumentParser) -> None:
    step.add_argument("--recipe", choices=list(RECIPES), required=True)
    step.add_argument("--task", choices=list(CLASS_NAMES), help="default: the recipe's own")
    _add_training_data(step)
    step.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="float32",
                      help="mixed_bfloat16 is faster on processors and GPUs that compute with it")  # fmt: skip
    step.add_argument("--distribute", action="store_true",
                      help="share each batch among all GPUs or other devices (KERAS_BACKEND=jax)")  # fmt: skip
    step.add_argument("--weights", default="imagenet", metavar="WEIGHTS",
                      help='"imagenet" (downloads), "random", or the path of a .weights.h5 file')  # fmt: skip
    step.add_argument("--start-from", type=Path, metavar="RUN",
                      help="go on from another run, or from another cross-validation fold by fold")  # fmt: skip
    step.add_argument("--epochs", type=int, help="fine-tuning epochs, other than the recipe's")
    step.add_argument("--rate", type=float, help="peak learning rate of fine-tuning, other than the recipe's")
    step.add_argument("--input-size", type=_side, metavar="PX",
                      help="side of the network's square input, other than the recipe's; at least 96")  # fmt: skip
    step.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: runs/RECIPE)")
    step.add_argument("--seed", type=int, default=0)
    step.add_argument("--quick", action="store_true", help="few small pictures, few epochs: minutes, to see it work")


def _add_training_data(step: argparse.ArgumentParser) -> None:
    _add_data(step)
    _add_boxes(step)
    step.add_argument(
        "--exclude-near-duplicates-of", nargs="+", type=Path, default=[], metavar="DIR",
        help="leave out every picture that stands here too, as itself or nearly: for a leak-free test",
    )  # fmt: skip
    _add_audited(step)
    step.add_argument(
        "--cache", type=Path, default=_RUNS / "cache", metavar="DIR", help="where decoded pictures are kept"
    )


def _add_evaluate(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("evaluate", help="measure a run or a published model on labelled pictures")
    _add_data(step)
    step.add_argument(
        "--model", type=Path, required=True, metavar="PATH", help="a run folder, or a published card (.json)"
    )
    step.add_argument("--training-data", nargs="+", type=Path, default=[], metavar="DIR",
                      help="report apart the pictures that also stand here")  # fmt: skip
    _add_audited(step)
    step.add_argument("--out", type=Path, metavar="DIR", help="default: runs/evaluation")
    step.add_argument("--log", type=Path, metavar="FILE", help="append one line on this scoring to a Markdown table")
    step.add_argument("--reason", default="", help="why this scoring was made, for the log")
    step.set_defaults(step=_evaluate)


def _add_outsiders(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("outsiders", help="gather pictures that are no brain MRI, to choose and measure the gate")
    step.add_argument("--out", type=Path, default=_RUNS / "outsiders", metavar="DIR")
    step.add_argument("--pictures", nargs="*", default=[], metavar="KIND=DIR",
                      help="more pictures of a kind, as wallpapers=/usr/share/backgrounds")  # fmt: skip
    step.set_defaults(step=_outsiders)


def _add_slices(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("slices", help="write the slices of NIfTI volumes as pictures of a class, for `evaluate`")
    step.add_argument("--volumes", nargs="+", type=Path, required=True, metavar="FILE")
    step.add_argument("--class", dest="class_name", required=True, metavar="CLASS", help="the folder's name: no_tumor")
    step.add_argument("--planes", nargs="+", choices=PLANES, default=["axial"], help="default: axial")
    step.add_argument("--every-mm", type=float, default=5.0, metavar="MM", help="between slices (default: 5)")
    step.add_argument("--out", type=Path, required=True, metavar="DIR")
    step.set_defaults(step=_slices)


def _add_reopen(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("reopen", help="make a run of a published model, to calibrate it anew or go on with it")
    step.add_argument("--model", type=Path, required=True, metavar="CARD", help="a published card (.json)")
    _add_data(step)
    _add_boxes(step)
    step.add_argument("--cache", type=Path, default=_RUNS / "cache", metavar="DIR")
    step.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder")
    step.set_defaults(step=_reopen)


def _add_calibrate(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("calibrate", help="choose, on a run's validation pictures, when its answers are certain")
    _add_data(step)
    _add_boxes(step)
    step.add_argument("--run", type=Path, required=True, metavar="DIR")
    step.add_argument("--outsiders", type=Path, metavar="DIR", help="what `outsiders` gathered")
    step.add_argument("--cache", type=Path, default=_RUNS / "cache", metavar="DIR")
    step.set_defaults(step=_calibrate)


def _add_blend(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser(
        "blend", help="average a run's weights with those that it went on from; chosen on validation"
    )
    _add_data(step)
    step.add_argument("--boxes", type=Path, required=True, metavar="FILE", help="CSV of lesion boxes")
    step.add_argument("--run", type=Path, required=True, metavar="DIR")
    step.add_argument("--earlier", type=Path, required=True, metavar="DIR", help="the run that it went on from")
    step.add_argument("--out", type=Path, required=True, metavar="DIR")
    step.add_argument("--cache", type=Path, default=_RUNS / "cache", metavar="DIR")
    step.set_defaults(step=_blend)


def _add_dissect(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("dissect", help="what does it read? accuracy on the lesion alone, on the background alone")
    _add_data(step)
    step.add_argument("--boxes", type=Path, required=True, metavar="FILE", help="CSV of lesion boxes")
    step.add_argument("--model", type=Path, required=True, metavar="PATH", help="a run folder, or a published card")
    step.add_argument("--out", type=Path, default=_RUNS / "dissect", metavar="DIR")
    step.add_argument("--cache", type=Path, default=_RUNS / "cache", metavar="DIR")
    step.set_defaults(step=_dissect)


def _add_compare(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("compare", help="compare two runs or cross-validations on what both held out")
    _add_data(step)
    step.add_argument("--one", type=Path, required=True, metavar="DIR", help="a run, or a cross-validation")
    step.add_argument("--other", type=Path, required=True, metavar="DIR", help="the one that may be better")
    _add_boxes(step)
    step.add_argument("--out", type=Path, default=_RUNS / "compare", metavar="DIR")
    step.add_argument("--cache", type=Path, default=_RUNS / "cache", metavar="DIR")
    step.set_defaults(step=_compare)


def _add_publish(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("publish", help="put a run's best network into model/weights with its card")
    step.add_argument("--run", type=Path, required=True, metavar="DIR")
    step.add_argument("--evaluation", nargs="*", type=Path, default=[], metavar="DIR",
                      help="folders that evaluate wrote for this run; their figures go into the card")  # fmt: skip
    step.add_argument("--name", help="name of the published model (default: the recipe's)")
    step.add_argument("--version", default="1.0.0")
    step.add_argument("--to", type=Path, metavar="DIR", help="default: model/weights")
    step.set_defaults(step=_publish)


def _add_known_answers(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser(
        "known-answers", help="write what a published model says of the known pictures into its card"
    )
    step.add_argument("--model", nargs="+", type=Path, required=True, metavar="CARD")
    step.set_defaults(step=_known_answers)


def _add_report(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    step = steps.add_parser("report", help="write MODEL_CARD.md, README's tables, served.json and docs/studies")
    step.set_defaults(step=_report)


def _explore(options: argparse.Namespace) -> None:
    from training.steps.explore import explore

    explore(options.data, options.task, options.out, options.seed)


def _audit(options: argparse.Namespace) -> None:
    from training.steps.audit import audit

    audit(options.data, options.boxes, options.model, options.out, options.cache, options.task)


def _train(options: argparse.Namespace) -> None:
    from training.steps.train import train

    run = options.out or _RUNS / options.recipe
    begun, finished = (run / "progress.json").exists(), (run / "best.keras").exists()
    if finished and not begun:
        raise DataError(
            f"Expected a run that `train` began. {run} holds a network that `blend` or `reopen` put there. "
            "Choose another --out; --start-from goes on from it."
        )
    if begun and not options.resume:
        raise DataError(f"Expected an empty run folder. {run} holds a run. Add --resume, or choose another --out.")
    train(_request(options, run))


def _cross_validate(options: argparse.Namespace) -> None:
    from training.studies.cross_validate import cross_validate

    run = options.out or _RUNS / f"{options.recipe}-folds"
    cross_validate(_request(options, run), options.folds, options.by_collection)


def _recipe(options: argparse.Namespace) -> Recipe:
    recipe = recipe_for(options.recipe, options.task, options.quick)
    if options.epochs:
        averaged = min(recipe.averaged_epochs, -(-options.epochs // 2))
        recipe = dataclasses.replace(recipe, fine_tune_epochs=options.epochs, averaged_epochs=averaged)
    if options.input_size:
        recipe = dataclasses.replace(recipe, input_size_px=options.input_size)
    return dataclasses.replace(recipe, fine_tune_rate=options.rate) if options.rate else recipe


def _side(given: str) -> int:
    """Read --input-size; Xception's own least is 71 pixels, and on fewer than 96 a tumor is a few pixels wide."""
    if not given.isdecimal() or not 96 <= int(given) <= 512:
        raise argparse.ArgumentTypeError(f"Expected a side of 96 to 512 pixels. Received {given!r}.")
    return int(given)


def _request(options: argparse.Namespace, run: Path) -> "Request":
    from training.steps.train import Request

    return Request(
        recipe=_recipe(options), start=options.start_from, folders=tuple(options.data), boxes=options.boxes,
        left_out=tuple(options.exclude_near_duplicates_of), audit=options.audit, precision=options.precision,
        weights=options.weights, run=run, cache=options.cache, seed=options.seed, quick=options.quick,
        distribute=options.distribute, bars=sys.stdout.isatty(),
    )  # fmt: skip


def _evaluate(options: argparse.Namespace) -> None:
    from training.steps.evaluate import evaluate

    evaluate(
        options.model,
        options.data,
        options.training_data,
        options.out or _RUNS / "evaluation",
        options.log,
        options.reason,
        options.audit,
    )


def _outsiders(options: argparse.Namespace) -> None:
    from training.data.outsiders import make_outsiders

    extra: dict[str, list[Path]] = {}
    for given in options.pictures:
        kind, _, folder = given.partition("=")
        extra.setdefault(kind, []).append(Path(folder))
    counts = make_outsiders(options.out, extra)
    print(f"{sum(counts.values())} pictures of {sum(n > 0 for n in counts.values())} kinds in {options.out}: {counts}")


def _slices(options: argparse.Namespace) -> None:
    from training.studies.slices import write_slices

    counts = write_slices(options.volumes, options.class_name, options.planes, options.every_mm, options.out)
    print(f"{sum(counts.values())} pictures in {options.out / options.class_name}: {counts}")


def _calibrate(options: argparse.Namespace) -> None:
    from training.steps.calibrate import calibrate_run

    calibrate_run(options.run, options.data, options.boxes, options.outsiders, options.cache)


def _reopen(options: argparse.Namespace) -> None:
    from training.steps.reopen import reopen

    reopen(options.model, options.data, options.boxes, options.out, options.cache)


def _blend(options: argparse.Namespace) -> None:
    from training.steps.blend import blend

    blend(options.run, options.earlier, options.data, options.boxes, options.out, options.cache)


def _dissect(options: argparse.Namespace) -> None:
    from training.studies.dissect import dissect

    dissect(options.model, options.data, options.boxes, options.out, options.cache)


def _compare(options: argparse.Namespace) -> None:
    from training.studies.compare import compare

    compare(options.one, options.other, options.data, options.boxes, options.out, options.cache)


def _publish(options: argparse.Namespace) -> None:
    from training.steps.publish import WEIGHTS_FOLDER, publish

    publish(options.run, options.evaluation, options.to or WEIGHTS_FOLDER, options.name, options.version)


def _known_answers(options: argparse.Namespace) -> None:
    from training.steps.publish import write_known_answers

    for card in options.model:
        write_known_answers(card)


def _report(_: argparse.Namespace) -> None:
    from training.studies.report import write_report

    write_report()
