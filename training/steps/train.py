"""Train one recipe into a run folder. `--resume` continues a killed run, which loses at most one epoch."""

import argparse
import time
from pathlib import Path

import keras
import numpy as np

from model.card import CLASS_NAMES
from training.data.audit_result import read_audit
from training.data.copies import group
from training.data.decoded import Decoded
from training.data.folders import TRAINING, UNSPLIT, require_classes
from training.data.left_out import drop_conflicts, few_per_class, leave_out, without_head_cts
from training.data.split import SplitTable, draw_split
from training.drawing import plots
from training.errors import DataError
from training.feed.devices import shared_by_devices
from training.fit import networks
from training.fit.checkpoints import Progress
from training.fit.fine_tuning import fine_tune
from training.fit.material import Material
from training.fit.request import Request, add_request, request_of
from training.fit.run_folder import RunFolder
from training.measure.metrics import summarize
from training.recipes import QUICK_PICTURES_PER_CLASS


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training run."""
    add_request(parser)
    parser.add_argument("--resume", action="store_true", help="resume the run in the run folder")


def run(options: argparse.Namespace) -> None:
    """Train into an empty folder, or resume the run in it."""
    request = request_of(options, options.recipe)
    folder = request.run
    if folder.network_file.exists() and not folder.progress_file.exists():
        raise DataError(
            f"Expected a run begun by `train`. {folder.path} has a network written by `calibrate --model`. "
            "Choose another --out; --start-from goes on from it."
        )
    if folder.progress_file.exists() and not options.resume:
        raise DataError(
            f"Expected an empty run folder. {folder.path} holds a run. Add --resume, or choose another --out."
        )
    train(request)


def train(request: Request) -> None:
    """Run all epochs of the recipe, or the remaining ones, then write curves and validation metrics.

    Raises:
        DataError: the data folders cannot be used, or the run began with other options.
        networks.WeightsError: the starting weights cannot be loaded.
        devices.DevicesError: `distribute` is set, but no devices can share the training.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(request.seed)
    material = prepare(request)
    progress = Progress.read(request.run)
    with shared_by_devices(request.distribute, request.recipe.batch_size):
        network = starting_network(request)
        if not progress.is_done:
            fine_tune(request, material, network, progress)
    finish(request, material, progress, time.monotonic() - started)


def prepare(request: Request) -> Material:
    """Find, decode, group and split the images; write the result into the run folder."""
    request.require_as_begun()
    class_names = CLASS_NAMES[request.recipe.task]
    table = earlier_split(request)
    usable, problems = usable_images(request, table)
    if table:
        groups, split = table.split_of(usable.pictures)
        problems += remembered(request, table, usable)
    else:
        groups, share = groups_of(request, usable), request.recipe.validation_share
        split = draw_split(usable.labels(class_names), groups, share, request.seed, class_names)
        if learned := split_of_weights(request.weights):
            split = learned.kept_in(split, groups, usable.pictures)
    config = request.config(usable, int(groups.max()) + 1, len(split.validation), problems)
    request.run.begin(config, usable.pictures, groups, split)
    tell(config.data["n_pictures"], config.data["n_groups"], len(split.validation), problems)
    return Material.of(usable, request.sources, split, class_names)


def usable_images(request: Request, table: SplitTable | None = None) -> tuple[Decoded, list[str]]:
    """Return the decoded images without unseen ones or contradicting labels, and sentences on what was dropped.

    table: an existing split, whose images are used; else all images, or few with --quick.
    """
    task, sources = request.recipe.task, request.sources
    found = sources.find(task, TRAINING, UNSPLIT)
    require_classes(found, CLASS_NAMES[task])
    if table:
        chosen = table.pictures_among(found.pictures)
    else:
        chosen = few_per_class(found.pictures, QUICK_PICTURES_PER_CLASS) if request.quick else found.pictures
    decoded = without_head_cts(sources.decode(chosen, request.recipe.input_size_px))
    left = leave_out(decoded, request.unseen, request.audit, task)
    usable = drop_conflicts(left, sources.lesions(left.pictures), task)
    return usable, [*found.problems, *usable.problems]


def earlier_split(request: Request) -> SplitTable | None:
    """Return the existing split, if any: a resumed run's own, else that of the network it starts from."""
    if request.run.has_begun:
        return request.run.read_split()
    return request.start.read_split() if request.start else None


def split_of_weights(weights: str) -> SplitTable | None:
    """Return the table of images next to a published network's weights, or None."""
    file = Path(weights).with_suffix(".split.csv")
    return SplitTable.read(file) if weights.endswith(".keras") and file.is_file() else None


def groups_of(request: Request, usable: Decoded) -> np.ndarray:
    """Number the groups that must not be split: int64 (n,)."""
    links = read_audit(request.audit).links(usable.pictures) if request.audit else None
    return group(usable, request.sources.series(usable.pictures), links, request.sources.facts(usable.pictures))


def remembered(request: Request, table: SplitTable, usable: Decoded) -> list[str]:
    """Return a warning with the number of left-out images that the starting network was trained on, if any."""
    n = len(set(table.names(validation=False)) - {picture.name for picture in usable.pictures})
    if not n or not request.start:
        return []
    return [f"{request.start.path.name} was trained on {n} of these: its network may remember them."]


def tell(n_pictures: dict[str, int], n_groups: int, n_validation: int, problems: list[str]) -> None:
    """Print the counts of images and groups, and the problems."""
    for problem in problems:
        print(f"passed over: {problem}")
    total = sum(n_pictures.values())
    print(f"{total} images {n_pictures}, {n_groups} groups, {n_validation} for validation")


def starting_network(request: Request) -> keras.Model:
    """Return the network with the weights of the run that it starts from, or with a new head on pretrained ones."""
    if not request.start:
        return networks.build(request.recipe, request.weights)
    network = networks.build(request.recipe, "random")
    _take_over_weights(network, request.start)
    return network


def _take_over_weights(network: keras.Model, start: RunFolder) -> None:
    """Copy a run's weights. Xception's fit any input size; VGG16's do not, because its dense layer has a fixed size."""
    try:
        earlier = start.network()
    except (OSError, ValueError) as error:
        raise networks.WeightsError(
            f"Expected a run with a network in {start.path}. It cannot be loaded: {error}"
        ) from error
    try:
        networks.take_over(network, earlier)
    except ValueError as error:
        raise networks.WeightsError(
            f"Expected in {start.path} a network of the same form as this one. Its weights have other shapes. "
            "Give that run's --recipe, --task and --input-size."
        ) from error


def finish(request: Request, material: Material, progress: Progress, seconds: float) -> None:
    """Draw the curves and measure the best network on the validation images."""
    folder, validation = request.run, material.split.validation
    plots.training_curves(progress.history, folder.curves_file)
    best = folder.network()
    networks.round_weights(best)
    folder.save_network(best, packed=True)
    pixels = material.decoded.pixels[validation][..., None].astype(np.float32)
    probabilities = best.predict(pixels, verbose=0)
    metrics = summarize(material.labels[validation], probabilities, CLASS_NAMES[request.recipe.task])
    folder.write_json(folder.validation_file, metrics.plain())
    print(
        f"validation accuracy {metrics.accuracy:.3f} on {metrics.n_pictures} images, "
        f"this call took {seconds / 60:.1f} minutes; the run is in {folder.path}"
    )
