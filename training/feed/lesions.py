"""Training images made from two: an outlined lesion pasted into another head, and controls without a lesion.

In the published collections a class comes mostly from one scanner, and its look reveals the class. A lesion in another
collection's head breaks that link. The seam must not reveal the class either: tumor-free heads get tumor-free patches
the same way, and some lesions are covered with healthy tissue from another head and become "no tumor".
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from training.feed.augmentation import inside_head
from training.recipes import Synthesis

Image = NDArray[np.float32]


# Smallest distance of a lesion from the head's outline.
_SKULL = 0.05
_TRIES = 6
# No lesion becomes larger than this half of its longer side.
_LARGEST_HALF = 0.22
# The cover extends this far beyond the lesion's outline: a visible edge would still be a tumor.
_COVER_MARGIN = 0.035


def paste_lesion(
    host: NDArray[np.uint8], donor: NDArray[np.uint8], outline: Image, settings: Synthesis, random: np.random.Generator
) -> tuple[Image, Image] | None:
    """Paste the donor's lesion into a head; None if it would be visible nowhere.

    host, donor: uint8 (size, size); outline: float32 (size, size), 0..1, the donor's lesion. Returns the image,
    float32, 0..255, and the outline of the lesion in it.
    """
    head, inside = host.astype(np.float32), inside_head(host.astype(np.float32), _SKULL)
    for _ in range(_TRIES):
        moved = _moved(donor, outline, inside, settings, random)
        if moved is None:
            continue
        patch, new_outline = moved
        lesion = new_outline > 0.5
        pasted = _lesion_in(head, patch, new_outline, settings, random)
        if np.abs(pasted - head)[lesion].mean() >= settings.least_visible:
            return _with_oedema(pasted, new_outline, inside, settings, random), new_outline
    return None


def paste_control(
    host: NDArray[np.uint8], other: NDArray[np.uint8], outline: Image, settings: Synthesis, random: np.random.Generator
) -> Image:
    """Paste the tissue inside an outline of another tumor-free head into a head, with the seam of a lesion."""
    head = host.astype(np.float32)
    moved = _moved(other, outline, inside_head(head, _SKULL), settings, random)
    if moved is None:
        return head
    patch, place = moved
    alpha = _feathered(place, settings, random)
    return head * (1 - alpha) + _levelled(patch, head, place, random.uniform(0.8, 1.2)) * alpha


def cover_lesion(
    image: NDArray[np.uint8], outline: Image, other: NDArray[np.uint8], settings: Synthesis, random: np.random.Generator
) -> Image:
    """Cover the lesion with the same place in another head of the same view, with adapted grey levels."""
    own = image.astype(np.float32)
    sigma = _COVER_MARGIN * len(image) / 2
    wide = np.clip(gaussian_filter(outline, sigma) * 8, 0, 1)
    alpha = _feathered(wide, settings, random)
    patch = _levelled(other.astype(np.float32), own, wide, 1.0)
    return np.clip(own * (1 - alpha) + patch * alpha, 0, 255).astype(np.float32)


def _moved(
    donor: NDArray[np.uint8], outline: Image, inside: NDArray[np.bool_], settings: Synthesis,
    random: np.random.Generator,
) -> tuple[Image, Image] | None:  # fmt: skip
    """Rotate, scale and move donor and outline; None if most of the lesion would be outside the head."""
    size = len(outline)
    rows, columns = np.nonzero(outline > 0.5)
    if not rows.size:
        return None
    centre = np.array([rows.mean(), columns.mean()])
    half = max(np.ptp(rows), np.ptp(columns), 2) / 2
    scale = min(np.exp(random.uniform(*np.log(settings.scale))), _LARGEST_HALF * size / half)
    angle = np.deg2rad(random.uniform(-1, 1) * settings.rotation_degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    own = centre if random.random() < 0.5 else np.array([centre[0], size - 1 - centre[1]])
    if random.random() < 0.5:
        turn = turn @ np.diag([1.0, -1.0])
    place = own + random.normal(0, settings.jitter * size, 2)
    offset = centre - turn @ place
    new_outline = affine_transform(outline, turn, offset, order=1)
    n = (new_outline > 0.5).sum()
    new_outline = (new_outline * inside).astype(np.float32)
    if n < 12 or (new_outline > 0.5).sum() < 0.7 * n:
        return None
    return affine_transform(donor.astype(np.float32), turn, offset, order=1, mode="nearest"), new_outline


def _lesion_in(head: Image, patch: Image, outline: Image, settings: Synthesis, random: np.random.Generator) -> Image:
    alpha = _feathered(outline, settings, random)
    contrast = np.exp(random.uniform(*np.log(settings.contrast)))
    if random.random() < settings.reversed_probability:
        contrast = -contrast
    if random.random() < settings.drawn_probability:
        patch = _drawn(head, outline, random)
    else:
        patch = _levelled(patch, head, outline, contrast)
    return np.clip(head * (1 - alpha) + patch * alpha, 0, 255).astype(np.float32)


def _drawn(head: Image, outline: Image, random: np.random.Generator) -> Image:
    """Draw a lesion of one grey with some texture, and with a rim half of the time."""
    size = len(head)
    level = head[outline > 0.5].mean() + random.choice([-1, 1]) * random.uniform(25, 130)
    coarse = gaussian_filter(random.standard_normal((size, size), np.float32), random.uniform(1, 5))
    drawn = level + coarse / max(float(coarse.std()), 1e-6) * random.uniform(0, 20)
    if random.random() < 0.5:
        core = np.clip(2 * gaussian_filter(outline, random.uniform(0.006, 0.03) * size) - 1, 0, 1)
        drawn = drawn + (1 - core) * random.uniform(-80, 120)
    return np.clip(drawn, 0, 255).astype(np.float32)


def _with_oedema(
    pasted: Image, outline: Image, inside: NDArray[np.bool_], settings: Synthesis, random: np.random.Generator
) -> Image:
    if random.random() >= settings.oedema_probability:
        return pasted
    halo = gaussian_filter(outline, random.uniform(0.02, 0.05) * len(outline))
    halo = np.clip(2 * halo, 0, 1) * (1 - outline) * inside
    return np.clip(pasted + halo * random.choice([-1, 1]) * random.uniform(10, 60), 0, 255).astype(np.float32)


def _feathered(outline: Image, settings: Synthesis, random: np.random.Generator) -> Image:
    """Return the opacity of the patch, 0..1: the outline with a seam of random width."""
    return np.clip(gaussian_filter(outline, random.uniform(*settings.feather) * len(outline)), 0, 1)


def _levelled(patch: Image, head: Image, outline: Image, contrast: float) -> Image:
    """Shift the patch so that its surroundings match the head's grey level, and multiply its differences from them."""
    wide = gaussian_filter(outline, 0.02 * len(outline))
    ring = (wide > 0.08) & (outline < 0.3)
    if not ring.any():
        return patch
    return np.clip(head[ring].mean() + (patch - patch[ring].mean()) * contrast, 0, 255).astype(np.float32)
