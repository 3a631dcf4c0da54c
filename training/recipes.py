"""Every number of a training run, with its reason. The recipe is saved in the run and in the model card."""

import dataclasses
from dataclasses import dataclass, field

from model.card import TUMOR_PRESENCE, TUMOR_TYPE
from training.feed.augmentation import Augmentation
from training.feed.contrast import Contrast
from training.feed.lesions import Synthesis


@dataclass(frozen=True)
class Recipe:
    """How one network is built and trained.

    The head trains together with the upper blocks of the base, while Adam's learning rate warms up.
    """

    name: str
    task: str
    # Keras application.
    architecture: str
    input_size_px: int
    feature_layer: str
    augmentation: Augmentation
    # Small enough to leave two thousand training images, large enough for a hundred per frequent class.
    validation_share: float = 0.15
    dropout: float = 0.3
    batch_size: int = 24
    fine_tune_epochs: int = 28
    # Peak of Adam's learning rate, which warms up, then falls along a cosine. The usual range is 1e-5 to 3e-4.
    fine_tune_rate: float = 2e-4
    # First block that fine-tuning trains; earlier blocks see edges and textures, and cost most.
    fine_tune_from: str = ""
    # Label smoothing: some of the published labels are wrong.
    label_smoothing: float = 0.05
    # The gate reads this layer's input: late enough to know brains, early enough to see other things.
    gate_layer: str = ""
    # Stride of the last downsampling; 1 keeps a finer grid of places, for small lesions and sharper heat maps.
    last_stride: int = 2
    # Images per epoch. Fixed, so that more data do not mean more time.
    draws_per_epoch: int = 2400
    # Average the weights of this many last epochs: single epochs swing by several points.
    averaged_epochs: int = 5
    # Final learning rate as a share of its peak.
    last_rate_share: float = 0.1
    # Share of tumor-free images among those drawn: three tumor classes against one otherwise teach false alarms.
    no_tumor_share: float = 0.45
    # Lesions pasted into other brains, where outlines or boxes are known.
    synthesis: Synthesis = field(default_factory=Synthesis)
    # Whether each place of the feature maps decides; the image's answer is then a soft maximum over its places.
    decides_at_places: bool = False
    # Weight of the loss that compares the places with the lesion outlines.
    places_weight: float = 0.0


# Equally often for either answer, so that neither a contrast nor a stripped skull predicts the class.
_OTHER_LOOKS = Augmentation(
    scale=0.22,
    borrow_levels_probability=0.35,
    borrow_spectrum_probability=0.3,
    # Half of the images keep their own contrast, as in use.
    another_contrast=Contrast(shallow_network=0.25, tone_curve=0.2, inverted=0.05, thick=0.2, ghost=0.1),
    crop_probability=0.15,
    jpeg_probability=0.2,
    strip_probability=0.3,
)

# Exactly the network and head of the first design, with the same three layers of the base trainable. Grey levels are
# scaled as VGG16's ImageNet weights expect (the first design divided by 255).
VGG16 = Recipe(
    name="vgg16",
    task=TUMOR_PRESENCE,
    architecture="VGG16",
    input_size_px=128,
    feature_layer="flatten",
    augmentation=_OTHER_LOOKS,
    fine_tune_rate=1e-4,
    fine_tune_epochs=42,
    fine_tune_from="block5_conv1",
    gate_layer="block5_conv1",
    # Gliomas extend beyond their outlines, and here they are among the tumors: none is covered.
    synthesis=Synthesis(cover_probability=0.0),
)

# 160 px: half the cost of 224 px, so that the recipe fits two cores in ninety minutes.
XCEPTION = Recipe(
    name="xception",
    task=TUMOR_TYPE,
    architecture="Xception",
    input_size_px=160,
    feature_layer="feature_pool",
    augmentation=_OTHER_LOOKS,
    fine_tune_from="block7_sepconv1_act",
    gate_layer="block13_sepconv1_act",
    last_stride=1,
    decides_at_places=True,
    places_weight=0.5,
)

RECIPES = {recipe.name: recipe for recipe in (VGG16, XCEPTION)}

# Small and short, only to check that every step works.
_QUICK = {
    "vgg16": {"input_size_px": 64, "fine_tune_epochs": 2, "averaged_epochs": 1, "draws_per_epoch": 432},
    "xception": {
        "input_size_px": 80,
        "fine_tune_epochs": 2,
        "averaged_epochs": 1,
        "draws_per_epoch": 432,
        "fine_tune_from": "block13_sepconv1_act",
    },
}
QUICK_PICTURES_PER_CLASS = 60


def recipe_for(name: str, task: str | None, quick: bool) -> Recipe:
    """Return the named recipe, for another task if one is given, and shortened if quick."""
    changes: dict[str, object] = dict(_QUICK[name]) if quick else {}
    if task:
        changes["task"] = task
    return dataclasses.replace(RECIPES[name], **changes)  # type: ignore[arg-type]
