"""Train one recipe into a run folder. A killed run goes on with `--resume` and loses one epoch at most."""

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES, write_atomically
from training import networks, plots
from training.batches import AugmentedPictures, FeatureBatches
from training.dataset import TRAINING, UNSPLIT, DataError, Picture, find_pictures, fingerprint, require_classes
from training.decoding import Decoded, decode
from training.environment import describe_environment
from training.features import cached_features
from training.grouping import Split, group, split_by_group
from training.metrics import summarize
from training.progress import DONE, FINE_TUNE, FROZEN, Progress, SaveEachEpoch
from training.recipes import QUICK_PICTURES_PER_CLASS, Recipe


@dataclass(frozen=True)
class Request:
    """What the user asked for: a recipe, data folders, starting weights, where the run goes."""

    recipe: Recipe
    folders: tuple[Path, ...]
    weights: str
    run: Path
    cache: Path
    seed: int
    quick: bool
    # Show a bar per epoch instead of a line: for a person who watches.
    bars: bool


@dataclass(frozen=True, eq=False)
class Material:
    """Decoded pictures, their labels (int64, (n,)), and which of them are for training and for validation."""

    decoded: Decoded
    labels: NDArray[np.int64]
    split: Split


def train(request: Request) -> None:
    """Run, or go on with, all phases of the recipe, then write curves and validation metrics.

    Raises:
        DataError: the data folders cannot be used.
        networks.WeightsError: the starting weights cannot be loaded.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(request.seed)
    material = prepare(request)
    network = networks.build(request.recipe, request.weights)
    progress = Progress.read(request.run)
    if progress.phase == FROZEN:
        train_frozen(request, material, network, progress)
    if progress.phase == FINE_TUNE:
        fine_tune(request, material, network, progress)
    finish(request, material, progress, time.monotonic() - started)


def prepare(request: Request) -> Material:
    """Find, decode and split the pictures; write what was found into the run folder."""
    class_names = CLASS_NAMES[request.recipe.task]
    found = find_pictures(request.folders, request.recipe.task).of_split(TRAINING, UNSPLIT)
    require_classes(found, class_names)
    pictures = _few_per_class(found.pictures) if request.quick else found.pictures
    decoded = decode(pictures, request.recipe.input_size_px, request.cache)
    labels = decoded.labels(class_names)
    groups = group(decoded.pixels)
    split = split_by_group(labels, groups, request.recipe.validation_share, request.seed)
    _check_split(labels, split, class_names)
    _write_config(request, decoded, groups, split, (*found.problems, *decoded.problems))
    return Material(decoded, labels, split)


def train_frozen(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Train what stands behind the cached layer, on features that the frozen part gave once."""
    recipe, split = request.recipe, material.split
    cut = network.get_layer(recipe.cached_layer).output
    frozen, upper = keras.Model(network.input, cut), keras.Model(cut, network.output)
    training_features = cached_features(
        frozen, material.decoded.subset(split.training), recipe.frozen_views, recipe.augmentation, request.seed,
        request.run / "features-training.npy",
    )  # fmt: skip
    validation_features = cached_features(
        frozen, material.decoded.subset(split.validation), 1, recipe.augmentation, request.seed,
        request.run / "features-validation.npy",
    )  # fmt: skip
    batches = FeatureBatches(
        training_features, material.labels[split.training], n_classes=len(CLASS_NAMES[recipe.task]),
        batch_size=recipe.batch_size, seed=request.seed, first_epoch=progress.finished_epochs,
    )  # fmt: skip
    validation = (validation_features[0].astype(np.float32), _targets(material, recipe))
    _fit(request, network, upper, batches, validation, progress, recipe.frozen_epochs, recipe.frozen_rate)
    progress.start_phase(request.run, FINE_TUNE if recipe.fine_tune_epochs else DONE)
    for name in ("features-training.npy", "features-validation.npy"):
        (request.run / name).unlink()


def fine_tune(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Go on from the best head, with the upper blocks of the base learning on augmented pictures."""
    recipe, split, decoded = request.recipe, material.split, material.decoded
    network.set_weights(keras.saving.load_model(request.run / "best.keras", compile=False).get_weights())
    networks.unfreeze(network, recipe.fine_tune_from)
    batches = AugmentedPictures(
        decoded.pixels[split.training], material.labels[split.training], recipe.augmentation,
        n_classes=len(CLASS_NAMES[recipe.task]), batch_size=recipe.batch_size, seed=request.seed + 1,
        first_epoch=progress.finished_epochs,
    )  # fmt: skip
    validation = (decoded.pixels[split.validation][..., None].astype(np.float32), _targets(material, recipe))
    _fit(request, network, network, batches, validation, progress, recipe.fine_tune_epochs, recipe.fine_tune_rate)
    progress.start_phase(request.run, DONE)


def finish(request: Request, material: Material, progress: Progress, seconds: float) -> None:
    """Draw the curves and measure the best network on the validation pictures."""
    class_names = CLASS_NAMES[request.recipe.task]
    plots.training_curves(progress.history, request.run / "curves.png")
    best = keras.saving.load_model(request.run / "best.keras", compile=False)
    validation = material.split.validation
    pixels = material.decoded.pixels[validation][..., None].astype(np.float32)
    metrics = summarize(material.labels[validation], best.predict(pixels, verbose=0), class_names)
    write_atomically(request.run / "validation.json", json.dumps(metrics, indent=1).encode())
    print(
        f"validation accuracy {metrics['accuracy']:.3f} on {metrics['n_pictures']} pictures, "
        f"this call took {seconds / 60:.1f} minutes; the run is in {request.run}"
    )


def _fit(
    request: Request, network: keras.Model, trainee: keras.Model, batches: keras.utils.PyDataset,
    validation: tuple[NDArray[np.float32], NDArray[np.float32]], progress: Progress, epochs: int, rate: float,
) -> None:  # fmt: skip
    """Train one phase, from the last finished epoch on; `network` is what is kept, `trainee` what learns."""
    if progress.finished_epochs >= epochs or progress.epochs_without_gain >= request.recipe.patience:
        return
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(0.1 * rate, steps - steps // 20, alpha=0.02, warmup_target=rate,
                                                      warmup_steps=steps // 20)  # fmt: skip
    trainee.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=request.recipe.label_smoothing),
        metrics=["accuracy"],
        # TensorFlow's XLA is several times slower on processors.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    if progress.weights_file:
        trainee.optimizer.build(trainee.trainable_variables)
        trainee.load_weights(request.run / progress.weights_file)
    trainee.fit(
        batches, validation_data=validation, epochs=epochs, initial_epoch=progress.finished_epochs,
        callbacks=[SaveEachEpoch(request.run, network, progress, request.recipe.patience)],
        verbose=1 if request.bars else 2,
    )  # fmt: skip


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
        "seed": request.seed,
        "data": {
            "folders": [folder.name for folder in request.folders],
            "n_pictures": counts,
            "n_groups": int(groups.max()) + 1,
            "n_validation": len(split.validation),
            "fingerprint": fingerprint(decoded.pictures),
            "problems": list(problems),
        },
        "environment": describe_environment(),
    }
    # A resumed run keeps the description of its start.
    if not (request.run / "config.json").exists():
        write_atomically(request.run / "config.json", json.dumps(config, indent=1).encode())
    in_validation = set(split.validation.tolist())
    rows = [f"{p.name},{p.class_name},{groups[i]},{int(i in in_validation)}" for i, p in enumerate(decoded.pictures)]
    write_atomically(request.run / "split.csv", "\n".join(["name,class_name,group,validation", *rows, ""]).encode())
