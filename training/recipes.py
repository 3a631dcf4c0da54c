"""Every number of a training run, with its reason. The recipe is saved in the run and in the model card."""

import dataclasses
from dataclasses import dataclass, field

from model.card import TUMOR_PRESENCE, TUMOR_TYPE


@dataclass(frozen=True)
class Contrast:
    """How often each change is drawn; at most one of the first three changes the tones."""

    shallow_network: float = 0.0
    # Rising and falling curves, half of each.
    tone_curve: float = 0.0
    inverted: float = 0.0
    # Thick slices and small matrices: fewer rows or columns, enlarged again; the smallest share kept.
    thick: float = 0.0
    thick_share: float = 0.3
    # A faint second head, shifted along one axis: motion between two phase encodings.
    ghost: float = 0.0
    ghost_strength: float = 0.2


@dataclass(frozen=True)
class Augmentation:
    """Strengths; each image draws its own values uniformly up to them."""

    # Left and right mean the same for these classes. Images are never flipped upside down.
    mirror_probability: float = 0.5
    rotation_degrees: float = 15.0
    # Cropped heads fill the frame differently, depending on necks and skull caps.
    scale: float = 0.18
    shift_share: float = 0.08
    # Gamma from 1/2.2 to 2.2: the usual spread between linear and display-encoded exports.
    gamma: float = 2.2
    # Knots of a random rising curve that is mixed in: no single gamma models another sequence.
    tone_curve_share: float = 0.5
    contrast: float = 0.35
    brightness: float = 30.0
    # Slow change of brightness over the image, as caused by coils.
    bias_field: float = 0.3
    blur_probability: float = 0.4
    blur_sigma_px: float = 1.5
    sharpen_probability: float = 0.3
    sharpen_amount: float = 1.5
    noise_probability: float = 0.4
    noise_sigma: float = 14.0
    # Smallest share of the side after shrinking, before enlarging again: thumbnails from the web.
    low_resolution_probability: float = 0.25
    low_resolution_share: float = 0.45
    # A rectangle of uniform grey: no single spot may decide.
    erase_probability: float = 0.2
    erase_share: float = 0.25
    # The grey levels of another training image: what is bright in one sequence is dark in the next.
    borrow_levels_probability: float = 0.0
    # The sharpness and noise of another training image, as its radial power spectrum.
    borrow_spectrum_probability: float = 0.0
    # Another contrast altogether, as between T1 and T2, thick slices and ghosts.
    another_contrast: Contrast = field(default_factory=Contrast)
    # Heads cut by the field of view: largest share of the image cut off on one side; the rest is enlarged.
    crop_probability: float = 0.0
    crop_share: float = 0.2
    # Skull removed, as in many pipelines before sharing: a shell of this share of the side.
    strip_probability: float = 0.0
    strip_share: tuple[float, float] = (0.04, 0.10)
    jpeg_probability: float = 0.0
    jpeg_quality: tuple[int, int] = (25, 85)


@dataclass(frozen=True)
class Synthesis:
    """How often and how strongly; lengths as shares of the side of the network's input."""

    # Share of the tumor images that are made by pasting.
    paste_probability: float = 0.45
    # Shares of the tumor-free images that get a tumor-free patch, and that are made by covering a lesion.
    control_probability: float = 0.3
    cover_probability: float = 0.1
    # Least similarity of two views for pasting and for covering: low enough to accept another sequence, high enough
    # to keep lesions out of necks and vertices.
    paste_likeness: float = 0.5
    cover_likeness: float = 0.8
    scale: tuple[float, float] = (0.6, 1.5)
    rotation_degrees: float = 25.0
    # How far a lesion may move from its own place, or from that place mirrored.
    jitter: float = 0.08
    contrast: tuple[float, float] = (0.6, 1.8)
    # Lesions made darker than their surroundings if the donor's is brighter, and the reverse.
    reversed_probability: float = 0.25
    # Lesions drawn in the donor's outline instead of copied: one grey, some texture, sometimes a rim.
    drawn_probability: float = 0.25
    oedema_probability: float = 0.35
    feather: tuple[float, float] = (0.004, 0.016)
    # Mean difference in grey levels that a pasted lesion must make: an invisible one would teach false alarms.
    least_visible: float = 14.0
    # Largest lesion that is covered, as a share of the area.
    cover_largest_area: float = 0.06


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
    # Weight of the loss that compares the places, or the evidence of each place, with the lesion outlines.
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
    # Twice as fine as what is flattened: the largest of four places alone reaches the head.
    feature_layer="block5_pool",
    augmentation=_OTHER_LOOKS,
    fine_tune_rate=1e-4,
    fine_tune_epochs=42,
    fine_tune_from="block5_conv1",
    gate_layer="block5_conv1",
    # Gliomas extend beyond their outlines, and here they are among the tumors: none is covered.
    synthesis=Synthesis(cover_probability=0.0),
    places_weight=0.5,
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
