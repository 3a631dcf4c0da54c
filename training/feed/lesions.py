"""Training images made from two: an outlined lesion laid into another head, and controls without one.

In the published collections one class comes almost from one scanner, so that its look tells the class. A lesion in
a foreign head breaks that. The seam of the pasting must not tell either: heads without tumor get patches without one
in the same way, and some lesions are covered with what lies at their place in another head, and become "no tumor".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from training.feed.augmentation import inside_head

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Synthesis:
    """How often and how strongly; lengths as shares of the side of the network's input."""

    # Share of the tumor images that are made by pasting.
    paste_probability: float = 0.45
    # Share of the images without tumor that get a patch without one, and that are made by covering a lesion.
    control_probability: float = 0.3
    cover_probability: float = 0.1
    # Least likeness of two views for pasting and for covering: coarse enough for another sequence, and fine enough
    # that no lesion goes into a neck or a vertex.
    paste_likeness: float = 0.5
    cover_likeness: float = 0.8
    scale: tuple[float, float] = (0.6, 1.5)
    rotation_degrees: float = 25.0
    # How far from its own place, or that place's mirror image, a lesion may go.
    jitter: float = 0.08
    contrast: tuple[float, float] = (0.6, 1.8)
    # Lesions that are darker than what is around them where the donor's is brighter, and the reverse.
    reversed_probability: float = 0.25
    # Lesions that are drawn within the donor's outline instead of copied: one grey, some texture, at times a rim.
    drawn_probability: float = 0.25
    oedema_probability: float = 0.35
    feather: tuple[float, float] = (0.004, 0.016)
    # Mean difference in grey levels that a pasted lesion must make: an invisible one would teach false alarms.
    least_visible: float = 14.0
    # Largest lesion (share of the area) that is covered.
    cover_largest_area: float = 0.06


# How near to the head's outline a lesion may reach.
_SKULL = 0.05
_TRIES = 6
# No lesion becomes larger than this half of its longer side.
_LARGEST_HALF = 0.22
# What covers a lesion reaches this much beyond its outline: a lesion's edge left over would still be a tumor.
_COVER_MARGIN = 0.035


def paste_lesion(
    host: NDArray[np.uint8], donor: NDArray[np.uint8], outline: Image, settings: Synthesis, random: np.random.Generator
) -> tuple[Image, Image] | None:
    """Lay the donor's lesion into a head; None where it finds no place in which it can be seen.

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
    """Lay what lies within an outline in another head without tumor into a head, with a pasted lesion's seam."""
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
    """Lay what lies at the lesion's place in another head of the same view over it, its grey levels adapted."""
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
    """Turn, scale and place donor and outline; None where most of the lesion would lie outside the head."""
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
    """Draw a lesion of one grey with some texture, half of them with a rim."""
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
    """Return the opacity of what is pasted, 0..1: the outline with a seam of a drawn width."""
    return np.clip(gaussian_filter(outline, random.uniform(*settings.feather) * len(outline)), 0, 1)


def _levelled(patch: Image, head: Image, outline: Image, contrast: float) -> Image:
    """Bring the patch's surroundings to the head's grey level there, and multiply its differences from it."""
    wide = gaussian_filter(outline, 0.02 * len(outline))
    ring = (wide > 0.08) & (outline < 0.3)
    if not ring.any():
        return patch
    return np.clip(head[ring].mean() + (patch - patch[ring].mean()) * contrast, 0, 255).astype(np.float32)
