"""Train one recipe into a run folder. A killed run goes on with `--resume` and loses one epoch at most."""

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES, TUMOR_TYPE
from model.network.features import FeatureGrid
from model.safe_files import sha256_of, write_atomically
from training.data import split as split_table
from training.data.audit_result import read_audit
from training.data.boxes import Lesion, boxes_in_input, boxes_of, lesions_of, series_of
from training.data.copies import Split, copies_of, group, split_by_group
from training.data.decoded import Decoded, decode
from training.data.folders import (
    TRAINING,
    UNSPLIT,
    Collection,
    DataError,
    Picture,
    find_pictures,
    fingerprint,
    require_classes,
)
from training.drawing import plots
from training.feed.batches import AugmentedPictures, FeatureBatches
from training.feed.devices import equal_shares, shared_by_devices
from training.feed.frozen_features import cached_features
from training.feed.lesions import ANYWHERE, CENTRE, OWN_PLACE
from training.feed.mixing import LabelledPictures, MixedPictures, box_mask
from training.fit import networks
from training.fit.checkpoints import DONE, FINE_TUNE, FROZEN, Progress, SaveEachEpoch, read_average, save_network
from training.fit.environment import describe_environment
from training.fit.recipes import QUICK_PICTURES_PER_CLASS, Recipe
from training.measure.metrics import summarize

# A glioma may sit anywhere in the brain; meningiomas hang on its coverings; pituitary tumors have one place, which is
# near the centre in every view.
_PLACEMENTS = {"glioma": ANYWHERE, "meningioma": OWN_PLACE, "pituitary": CENTRE}


@dataclass(frozen=True)
class Request:
    """What the user asked for: a recipe, data folders, starting weights, where the run goes.

    boxes: the table of lesion boxes and slice numbers; left_out: folders whose near-duplicates are not trained on;
    audit: a folder that `audit` wrote, whose copies count as near-duplicates too; precision: the Keras dtype policy to
    train with.
    """

    recipe: Recipe
    folders: tuple[Path, ...]
    boxes: Path | None
    left_out: tuple[Path, ...]
    audit: Path | None
    precision: str
    weights: str
    # A run whose best network is gone on with, instead of one with a fresh head.
    start: Path | None
    run: Path
    cache: Path
    seed: int
    quick: bool
    # Share each batch among all devices that Keras sees.
    distribute: bool
    # Show a bar per epoch instead of a line: for a person who watches.
    bars: bool


@dataclass(frozen=True, eq=False)
class Material:
    """Decoded pictures, their labels (int64, (n,)), what else is known, and which are for training and validation."""

    decoded: Decoded
    labels: NDArray[np.int64]
    known: LabelledPictures
    split: Split


def train(request: Request) -> None:
    """Run, or go on with, all phases of the recipe, then write curves and validation metrics.

    Raises:
        DataError: the data folders cannot be used.
        networks.WeightsError: the starting weights cannot be loaded.
        devices.DevicesError: `distribute`, and there are no devices that could share.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(request.seed)
    material = prepare(request)
    progress = Progress.read(request.run)
    with shared_by_devices(request.distribute, request.recipe.batch_size):
        network = networks.build(request.recipe, "random" if request.start else request.weights)
        if request.start:
            _take_over_weights(network, request.start)
        if progress.phase == FROZEN:
            train_frozen(request, material, network, progress)
        if progress.phase == FINE_TUNE:
            fine_tune(request, material, network, progress)
    finish(request, material, progress, time.monotonic() - started)


def _take_over_weights(network: keras.Model, run: Path) -> None:
    """Xception's weights suit any size of input; VGG16's do not, for its dense layer sees places apart."""
    try:
        earlier = keras.saving.load_model(run / "best.keras", compile=False)
    except (OSError, ValueError) as error:
        raise networks.WeightsError(f"Expected a run with a network in {run}. It cannot be loaded: {error}") from error
    try:
        network.set_weights(earlier.get_weights())
    except ValueError as error:
        raise networks.WeightsError(
            f"Expected in {run} a network of the same form as this one. Its weights have other shapes. "
            "Give that run's --recipe, --task and --input-size."
        ) from error


def prepare(request: Request) -> Material:
    """Find, decode and split the pictures; write what was found into the run folder."""
    class_names = CLASS_NAMES[request.recipe.task]
    found = find_pictures(request.folders, request.recipe.task).of_split(TRAINING, UNSPLIT)
    require_classes(found, class_names)
    boxes = boxes_of(request.boxes, found.pictures)
    # A resumed run keeps the pictures and the split of its start.
    if (request.run / split_table.FILE).is_file():
        require_as_begun(request)
        decoded, split = _read_split(request, request.run, found)[:2]
    elif request.start:
        decoded, split = _take_over_split(request, request.start, found)
    else:
        decoded, split = _draw_split(request, found, boxes)
    lesions = lesions_of(decoded.pictures, boxes)
    labels = decoded.labels(class_names)
    return Material(decoded, labels, _known(decoded, labels, lesions, class_names), split)


def require_as_begun(request: Request) -> None:
    """A run goes on as it began: its card tells the recipe, the seed and the start of its first call.

    Raises:
        DataError: the request is of another run.
    """
    begun = json.loads((request.run / "config.json").read_text())
    given = json.loads(json.dumps(dataclasses.asdict(request.recipe)))
    differences = [
        f"{name} {begun['recipe'][name]}, and received {value}"
        for name, value in given.items()
        if begun["recipe"].get(name, value) != value
    ]
    if begun["seed"] != request.seed:
        differences.append(f"seed {begun['seed']}, and received {request.seed}")
    if begun["quick"] != request.quick:
        differences.append(f"{'' if begun['quick'] else 'no '}--quick")
    network = request.start / "best.keras" if request.start else None
    start = sha256_of(network) if network and network.is_file() else network
    if (begun.get("start") or {}).get("sha256") != start:
        differences.append(f"{'the same' if begun.get('start') else 'no'} --start-from")
    if differences:
        raise DataError(
            f"Expected to go on with {request.run} as it began: {'; '.join(differences)}. "
            "Give the same options, or another --out."
        )


def _read_split(request: Request, run: Path, found: Collection) -> tuple[Decoded, Split, NDArray[np.int64]]:
    rows = split_table.read_rows(run)
    pictures = split_table.pictures_of_run(found.pictures, rows, run)
    decoded = decode(pictures, request.recipe.input_size_px, request.cache)
    groups, split = split_table.split_of(decoded.pictures, rows)
    return decoded, split, groups


def _take_over_split(request: Request, start: Path, found: Collection) -> tuple[Decoded, Split]:
    """Keep the split of the run that is gone on with: its network knows the training side."""
    decoded, split, groups = _read_split(request, start, found)
    problems = list(found.problems)
    if request.left_out:
        in_training = {decoded.pictures[i].name for i in split.training}
        decoded = _leave_out(request, decoded, problems)
        n_known = len(in_training - {picture.name for picture in decoded.pictures})
        if n_known:
            problems.append(f"{start.name} was trained on {n_known} of these: its network may remember them.")
        groups, split = split_table.split_of(decoded.pictures, split_table.read_rows(start))
    start_run(request, decoded, groups, split, problems)
    return decoded, split


def _draw_split(request: Request, found: Collection, boxes: dict[str, Lesion]) -> tuple[Decoded, Split]:
    decoded, problems = usable_pictures(request, found, boxes)
    class_names = CLASS_NAMES[request.recipe.task]
    labels, groups = decoded.labels(class_names), groups_of(request, decoded, boxes)
    split = split_by_group(labels, groups, request.recipe.validation_share, request.seed)
    _check_split(labels, split, class_names)
    start_run(request, decoded, groups, split, problems)
    return decoded, split


def usable_pictures(request: Request, found: Collection, boxes: dict[str, Lesion]) -> tuple[Decoded, list[str]]:
    """Decode what was found, less what is to stay unseen and what contradicts its source; and say what was dropped."""
    pictures = _few_per_class(found.pictures) if request.quick else found.pictures
    decoded = decode(pictures, request.recipe.input_size_px, request.cache)
    problems = [*found.problems, *decoded.problems]
    if request.left_out:
        decoded = _leave_out(request, decoded, problems)
    lesions = lesions_of(decoded.pictures, boxes)
    usable = _without_conflicts(decoded, lesions, request.recipe.task, problems)
    _require_left(usable, CLASS_NAMES[request.recipe.task])
    return usable, problems


def _require_left(decoded: Decoded, class_names: Sequence[str]) -> None:
    missing = [name for name in class_names if all(picture.class_name != name for picture in decoded.pictures)]
    if missing:
        raise DataError(
            "Expected pictures of every class. None is left of "
            f"{', '.join(missing)} without what cannot be read or is to stay unseen. Add pictures."
        )


def groups_of(request: Request, decoded: Decoded, boxes: dict[str, Lesion]) -> NDArray[np.int64]:
    """Number the groups that must not be parted: int64 (n,)."""
    links = read_audit(request.audit).links(decoded.pictures) if request.audit else None
    return group(decoded, series_of(decoded.pictures, boxes), links)


def start_run(
    request: Request, decoded: Decoded, groups: NDArray[np.int64], split: Split, problems: Sequence[str]
) -> None:
    """Write what a run is made of into its folder: the configuration, then the table of its pictures."""
    _write_config(request, decoded, groups, split, problems)
    split_table.write_split(request.run, decoded.pictures, groups, split)


def _leave_out(request: Request, decoded: Decoded, problems: list[str]) -> Decoded:
    """Drop every picture that stands, as itself or nearly, in the folders that are to stay unseen."""
    unseen = find_pictures(request.left_out, request.recipe.task)
    against = decode(unseen.pictures, request.recipe.input_size_px, request.cache)
    copies = copies_of(decoded, against)
    if request.audit:
        copies |= read_audit(request.audit).copies_of(decoded.pictures, against.pictures)
    problems.append(
        f"{copies.sum()} pictures left out as near-duplicates of {', '.join(map(_folder_name, request.left_out))}."
    )
    return decoded.subset(np.flatnonzero(~copies))


def _without_conflicts(decoded: Decoded, lesions: Sequence[Lesion | None], task: str, problems: list[str]) -> Decoded:
    """Drop pictures whose label is not the one that their first source gave them."""
    if task != TUMOR_TYPE:
        return decoded
    agrees = [lesion is None or lesion.class_name == p.class_name
              for p, lesion in zip(decoded.pictures, lesions, strict=True)]  # fmt: skip
    problems.extend(
        f"{p.name}: its first source calls it {lesion.class_name}."
        for p, lesion, same in zip(decoded.pictures, lesions, agrees, strict=True)
        if lesion and not same
    )
    return decoded.subset(np.flatnonzero(agrees))


def _known(
    decoded: Decoded, labels: NDArray[np.int64], lesions: Sequence[Lesion | None], class_names: Sequence[str]
) -> LabelledPictures:
    """Gather boxes and collections. Slices of one numbered series are one collection, wherever they were found."""
    names = ["series" if lesion else p.source for p, lesion in zip(decoded.pictures, lesions, strict=True)]
    origins = np.unique(names, return_inverse=True)[1].astype(np.int64)
    placements = np.array([_PLACEMENTS[lesion.class_name] if lesion else OWN_PLACE for lesion in lesions], np.int64)
    boxes = boxes_in_input(decoded, lesions)
    return LabelledPictures(decoded.pixels, labels, origins, boxes, placements, class_names.index("no_tumor"))


def train_frozen(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Train what stands behind the cached layer, on features that the frozen part gave once."""
    recipe, split = request.recipe, material.split
    if not recipe.frozen_epochs:
        progress.start_phase(request.run, FINE_TUNE)
        return
    cut = network.get_layer(recipe.cached_layer).output
    frozen, upper = keras.Model(network.input, cut), keras.Model(cut, network.output)
    training_features = cached_features(
        frozen, material.decoded.subset(split.training), recipe.frozen_views, recipe.augmentation,
        recipe.batch_size, request.seed, request.run / "features-training.npy",
    )  # fmt: skip
    validation_features = cached_features(
        frozen, material.decoded.subset(split.validation), 1, recipe.augmentation,
        recipe.batch_size, request.seed, request.run / "features-validation.npy",
    )  # fmt: skip
    batches = FeatureBatches(
        training_features, material.labels[split.training], n_classes=len(CLASS_NAMES[recipe.task]),
        batch_size=recipe.batch_size, seed=request.seed, first_epoch=progress.finished_epochs,
    )  # fmt: skip
    watched = equal_shares(np.arange(len(split.validation)))
    validation = (validation_features[0][watched].astype(np.float32), _targets(material, recipe)[watched])
    _fit(request, upper, batches, validation, progress, recipe.frozen_epochs, recipe.frozen_rate,
         SaveEachEpoch(request.run, network, progress, recipe.patience))  # fmt: skip
    progress.start_phase(request.run, FINE_TUNE if recipe.fine_tune_epochs else DONE)
    for name in ("features-training.npy", "features-validation.npy"):
        (request.run / name).unlink()


def fine_tune(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Go on from the best head, with the upper blocks of the base learning on augmented pictures."""
    recipe = request.recipe
    if recipe.frozen_epochs:
        network.set_weights(keras.saving.load_model(request.run / "best.keras", compile=False).get_weights())
    twin = network
    if request.precision != "float32":
        twin = networks.build(recipe, "random", request.precision)
        twin.set_weights(network.get_weights())
    networks.unfreeze(twin, recipe.fine_tune_from)
    trainee = networks.with_class_maps(twin) if recipe.synthesis else twin
    batches = fine_tuning_batches(request, material, twin, progress)
    average_from = recipe.fine_tune_epochs - recipe.averaged_epochs if recipe.averaged_epochs else None
    saving = SaveEachEpoch(request.run, network, progress, recipe.patience, average_from, twin)
    validation = _validation(recipe, material, twin)
    _fit(request, trainee, batches, validation, progress, recipe.fine_tune_epochs, recipe.fine_tune_rate, saving)
    if progress.average_file:
        network.set_weights(read_average(request.run / progress.average_file))
        save_network(network, request.run)
    progress.start_phase(request.run, DONE)


def fine_tuning_batches(
    request: Request, material: Material, network: keras.Model, progress: Progress
) -> keras.utils.PyDataset:
    """Give the pictures of the epochs to come; none is drawn as a run that is gone on with has drawn it."""
    recipe, training = request.recipe, material.split.training
    n_classes = len(CLASS_NAMES[recipe.task])
    epoch = _next_draws(request.start, progress)
    if recipe.synthesis:
        return MixedPictures(
            material.known.subset(training), recipe.augmentation, recipe.synthesis,
            FeatureGrid.of_network(network, recipe.feature_layer), n_classes, recipe.batch_size,
            recipe.draws_per_epoch or len(training), request.seed + 1, epoch, recipe.no_tumor_share,
        )  # fmt: skip
    return AugmentedPictures(
        material.decoded.pixels[training], material.labels[training], recipe.augmentation, n_classes=n_classes,
        batch_size=recipe.batch_size, seed=request.seed + 1, first_epoch=epoch,
    )  # fmt: skip


def _next_draws(start: Path | None, progress: Progress) -> int:
    """Number the epoch whose pictures are drawn next: those that an earlier run saw are not drawn again."""
    earlier = epochs_of(json.loads((start / "config.json").read_text())) if start else 0
    return earlier + progress.finished_epochs


def epochs_of(config: dict[str, Any]) -> int:
    """Count the fine-tuning epochs that a run was to have, by its config.json, with those of the runs before it."""
    earlier = epochs_of(config["start"]["config"]) if config.get("start") else 0
    return int(config["recipe"]["fine_tune_epochs"]) + earlier


def _validation(recipe: Recipe, material: Material, network: keras.Model) -> tuple[NDArray[np.float32], Any]:
    watched = equal_shares(np.arange(len(material.split.validation)))
    chosen = material.known.subset(material.split.validation[watched])
    targets = _targets(material, recipe)[watched]
    pixels = chosen.pixels[..., None].astype(np.float32)
    if not recipe.synthesis:
        return pixels, targets
    grid = FeatureGrid.of_network(network, recipe.feature_layer)
    masks = np.stack([box_mask(box, grid) for box in chosen.boxes])
    return pixels, {"probabilities": targets, "maps": masks[..., None] * targets[:, None, None]}


def finish(request: Request, material: Material, progress: Progress, seconds: float) -> None:
    """Draw the curves and measure the best network on the validation pictures."""
    class_names = CLASS_NAMES[request.recipe.task]
    plots.training_curves(progress.history, request.run / "curves.png")
    best = keras.saving.load_model(request.run / "best.keras", compile=False)
    networks.round_weights(best)
    save_network(best, request.run, packed=True)
    validation = material.split.validation
    pixels = material.decoded.pixels[validation][..., None].astype(np.float32)
    metrics = summarize(material.labels[validation], best.predict(pixels, verbose=0), class_names)
    write_atomically(request.run / "validation.json", json.dumps(metrics, indent=1).encode())
    print(
        f"validation accuracy {metrics['accuracy']:.3f} on {metrics['n_pictures']} pictures, "
        f"this call took {seconds / 60:.1f} minutes; the run is in {request.run}"
    )


def _fit(
    request: Request, trainee: keras.Model, batches: keras.utils.PyDataset,
    validation: tuple[NDArray[np.float32], Any], progress: Progress, epochs: int, rate: float, saving: SaveEachEpoch,
) -> None:  # fmt: skip
    """Train one phase, from the last finished epoch on; `saving` knows what is kept."""
    recipe = request.recipe
    if progress.finished_epochs >= epochs or progress.epochs_without_gain >= recipe.patience:
        return
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.1 * rate, steps - steps // 20, alpha=recipe.last_rate_share, warmup_target=rate, warmup_steps=steps // 20
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    two_outputs = isinstance(trainee.output, dict)
    trainee.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss={"probabilities": loss, "maps": networks.attention_loss} if two_outputs else loss,
        loss_weights={"probabilities": 1.0, "maps": recipe.attention_weight} if two_outputs else None,
        metrics={"probabilities": ["accuracy"]} if two_outputs else ["accuracy"],
        # TensorFlow's XLA is several times slower on processors.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    if progress.weights_file:
        trainee.optimizer.build(trainee.trainable_variables)
        trainee.load_weights(request.run / progress.weights_file)
    trainee.fit(
        batches, validation_data=validation, epochs=epochs, initial_epoch=progress.finished_epochs, callbacks=[saving],
        verbose=1 if request.bars else 2, batch_size=recipe.batch_size,
    )  # fmt: skip


def _described_start(run: Path) -> dict[str, Any]:
    """The network that is gone on with, and how it was trained."""
    return {"sha256": sha256_of(run / "best.keras"), "config": json.loads((run / "config.json").read_text())}


def _folder_name(folder: Path) -> str:
    return "/".join(folder.resolve().parts[-2:])


def _targets(material: Material, recipe: Recipe) -> NDArray[np.float32]:
    return np.eye(len(CLASS_NAMES[recipe.task]), dtype=np.float32)[material.labels[material.split.validation]]


def _few_per_class(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """Keep pictures spread evenly over each class: neighbours in a folder are often the same patient."""
    kept: list[Picture] = []
    for name in sorted({p.class_name for p in pictures}):
        of_class = [p for p in pictures if p.class_name == name]
        step = max(1, len(of_class) // QUICK_PICTURES_PER_CLASS)
        kept.extend(of_class[::step][:QUICK_PICTURES_PER_CLASS])
    return tuple(kept)


def _check_split(labels: NDArray[np.int64], split: Split, class_names: Sequence[str]) -> None:
    for side in (split.training, split.validation):
        missing = [name for i, name in enumerate(class_names) if not np.any(labels[side] == i)]
        if missing:
            raise DataError(
                f"Expected different pictures of every class for training and for validation. "
                f"Received too few, or only copies, of {', '.join(missing)}. Add pictures."
            )


def _write_config(
    request: Request, decoded: Decoded, groups: NDArray[np.int64], split: Split, problems: Sequence[str]
) -> None:
    counts = {name: sum(p.class_name == name for p in decoded.pictures) for name in CLASS_NAMES[request.recipe.task]}
    for problem in problems:
        print(f"passed over: {problem}")
    print(
        f"{len(decoded.pictures)} pictures {counts}, {groups.max() + 1} groups, {len(split.validation)} for validation"
    )
    config = {
        "recipe": dataclasses.asdict(request.recipe),
        "quick": request.quick,
        "weights": Path(request.weights).name,
        "precision": request.precision,
        "start": _described_start(request.start) if request.start else None,
        "seed": request.seed,
        "data": {
            "folders": [_folder_name(folder) for folder in request.folders],
            "boxes": request.boxes.name if request.boxes else None,
            "near_duplicates_left_out_of": [_folder_name(folder) for folder in request.left_out],
            "audited": request.audit is not None,
            "n_pictures": counts,
            "n_groups": int(groups.max()) + 1,
            "n_validation": len(split.validation),
            "fingerprint": fingerprint(decoded.pictures),
            "problems": list(problems),
        },
        "environment": describe_environment(),
    }
    write_atomically(request.run / "config.json", json.dumps(config, indent=1).encode())
