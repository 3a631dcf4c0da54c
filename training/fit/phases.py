"""The two phases of training: the head on cached features, then the upper blocks on augmented images."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import CLASS_NAMES
from model.network.features import FeatureGrid
from training.feed.batches import AugmentedPictures, FeatureBatches
from training.feed.devices import equal_shares
from training.feed.frozen_features import cached_features
from training.feed.mixing import MixedPictures, place_targets
from training.fit import networks
from training.fit.checkpoints import DONE, FINE_TUNE, Progress, SaveEachEpoch, read_average
from training.fit.material import Material
from training.fit.place_head import PLACES_LAYER, PlacesCrossentropy, SetCrossentropy, with_places
from training.fit.request import Request
from training.fit.run_folder import RunFolder
from training.recipes import Recipe

# Number of validation images for the loss after each epoch, which chooses nothing if weights are averaged.
MOST_WATCHED = 400


@dataclass(frozen=True, eq=False)
class Phase:
    """Number of epochs, peak learning rate, training batches, and the inputs and targets of validation."""

    epochs: int
    rate: float
    batches: keras.utils.PyDataset
    validation: tuple[NDArray[np.float32], Any]


def train_frozen(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Train the layers after the cached one, on features that the frozen part computed once."""
    recipe, run = request.recipe, request.run
    if recipe.frozen_epochs:
        cut = network.get_layer(recipe.cached_layer).output
        frozen, upper = keras.Model(network.input, cut), keras.Model(cut, network.output)
        phase = _frozen_phase(request, material, frozen, progress)
        _fit(upper, phase, request, progress, SaveEachEpoch(run, network, progress, recipe.patience))
    progress.start_phase(run, FINE_TUNE if recipe.fine_tune_epochs else DONE)
    for side in ("training", "validation"):
        run.features_file(side).unlink(missing_ok=True)


def fine_tune(request: Request, material: Material, network: keras.Model, progress: Progress) -> None:
    """Train the upper blocks of the base too, starting from the best head, with augmented images."""
    recipe, run = request.recipe, request.run
    if recipe.frozen_epochs:
        network.set_weights(run.network().get_weights())
    twin = network
    if request.precision != "float32":
        twin = networks.build(recipe, "random", request.precision)
        twin.set_weights(network.get_weights())
    networks.unfreeze(twin, recipe.fine_tune_from)
    phase = Phase(
        recipe.fine_tune_epochs, recipe.fine_tune_rate, fine_tuning_batches(request, material, twin, progress),
        _validation(recipe, material, twin),
    )  # fmt: skip
    average_from = recipe.fine_tune_epochs - recipe.averaged_epochs if recipe.averaged_epochs else None
    saving = SaveEachEpoch(run, network, progress, recipe.patience, average_from, twin)
    _fit(with_places(twin) if recipe.synthesis else twin, phase, request, progress, saving)
    if progress.average_file:
        network.set_weights(read_average(run.path / progress.average_file))
        run.save_network(network)
    progress.start_phase(run, DONE)


def fine_tuning_batches(
    request: Request, material: Material, network: keras.Model, progress: Progress
) -> keras.utils.PyDataset:
    """Return the batches of the remaining epochs. A run that resumes, or starts from another, never repeats a draw."""
    recipe, training = request.recipe, material.split.training
    seed, epoch = request.seed + 1, _earlier_epochs(request.start) + progress.finished_epochs
    if recipe.synthesis:
        grid = FeatureGrid.of_network(network, recipe.feature_layer)
        return MixedPictures(material.known.subset(training), recipe, grid, seed, epoch)
    return AugmentedPictures(
        material.decoded.pixels[training], material.labels[training], recipe.augmentation, **_settings(recipe),
        seed=seed, first_epoch=epoch,
    )  # fmt: skip


def _earlier_epochs(start: RunFolder | None) -> int:
    """Return the number of epochs of the runs that this one starts from."""
    return start.read_config().epochs if start else 0


def _frozen_phase(request: Request, material: Material, frozen: keras.Model, progress: Progress) -> Phase:
    recipe, split = request.recipe, material.split
    features = {
        side: cached_features(
            frozen, material.decoded.subset(places), views, recipe.augmentation, recipe.batch_size,
            request.seed, request.run.features_file(side),
        )
        for side, places, views in (
            ("training", split.training, recipe.frozen_views), ("validation", split.validation, 1),
        )
    }  # fmt: skip
    batches = FeatureBatches(
        features["training"], material.labels[split.training], **_settings(recipe), seed=request.seed,
        first_epoch=progress.finished_epochs,
    )  # fmt: skip
    watched = _watched(material)
    validation = features["validation"][0][watched].astype(np.float32), _targets(material, recipe)[watched]
    return Phase(recipe.frozen_epochs, recipe.frozen_rate, batches, validation)


def _validation(recipe: Recipe, material: Material, network: keras.Model) -> tuple[NDArray[np.float32], Any]:
    watched = _watched(material)
    chosen = material.known.subset(material.split.validation[watched])
    targets = _targets(material, recipe)[watched]
    pixels = chosen.pixels[..., None].astype(np.float32)
    if not recipe.synthesis:
        return pixels, targets
    grid = FeatureGrid.of_network(network, recipe.feature_layer)
    places = [place_targets(chosen.outlines[i], targets[i], chosen.healthy, grid) for i in range(len(targets))]
    return pixels, {"probabilities": targets, PLACES_LAYER: np.stack(places)}


def _watched(material: Material) -> NDArray[np.int64]:
    n = len(material.split.validation)
    return equal_shares(np.linspace(0, n - 1, min(n, MOST_WATCHED)).round().astype(np.int64))


def _targets(material: Material, recipe: Recipe) -> NDArray[np.float32]:
    return np.eye(len(CLASS_NAMES[recipe.task]), dtype=np.float32)[material.labels[material.split.validation]]


def _settings(recipe: Recipe) -> dict[str, int]:
    return {"n_classes": len(CLASS_NAMES[recipe.task]), "batch_size": recipe.batch_size}


def _fit(
    trainee: keras.Model, phase: Phase, request: Request, progress: Progress, saving: keras.callbacks.Callback
) -> None:
    """Train one phase, starting after the last finished epoch; `saving` saves each epoch."""
    recipe = request.recipe
    if progress.finished_epochs >= phase.epochs or progress.epochs_without_gain >= recipe.patience:
        return
    _compile(trainee, phase, recipe)
    if progress.weights_file:
        trainee.optimizer.build(trainee.trainable_variables)
        trainee.load_weights(request.run.path / progress.weights_file)
    trainee.fit(
        phase.batches, validation_data=phase.validation, epochs=phase.epochs, initial_epoch=progress.finished_epochs,
        callbacks=[saving], verbose=1 if request.bars else 2, batch_size=recipe.batch_size,
    )  # fmt: skip


def _compile(trainee: keras.Model, phase: Phase, recipe: Recipe) -> None:
    """Compile with Adam; the rate warms up over a twentieth of the steps, then falls along a cosine."""
    steps = phase.epochs * len(phase.batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.1 * phase.rate, steps - steps // 20, alpha=recipe.last_rate_share, warmup_target=phase.rate,
        warmup_steps=steps // 20,
    )  # fmt: skip
    two_outputs = isinstance(trainee.output, dict)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    trainee.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=losses_of(recipe) if two_outputs else loss,
        loss_weights={"probabilities": 1.0, PLACES_LAYER: recipe.places_weight} if two_outputs else None,
        metrics={"probabilities": ["accuracy"]} if two_outputs else ["accuracy"],
        # TensorFlow's XLA is several times slower on processors.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )


def losses_of(recipe: Recipe) -> dict[str, keras.losses.Loss]:
    """Return the losses of the answer and of the places."""
    no_tumor = CLASS_NAMES[recipe.task].index("no_tumor")
    return {"probabilities": SetCrossentropy(recipe.label_smoothing), PLACES_LAYER: PlacesCrossentropy(no_tumor)}
