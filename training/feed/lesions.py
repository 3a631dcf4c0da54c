"""Training pictures made from two: a lesion cut out by its box and laid into another brain, and controls without one.

In the published collections one class comes almost from one scanner, so that its look tells the class. A lesion in
a foreign brain breaks that. The seam of the pasting must not tell either: brains without tumor get healthy patches
pasted in the same way, and some lesions are covered, with what stands at their place in another head or with the other
side of their own, and become "no tumor".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform


@dataclass(frozen=True)
class Synthesis:
    """How often and how strongly; sizes as shares of the network's input."""

    # Share of the tumor pictures that are made by pasting, where the class has boxes.
    paste_probability: float = 0.5
    # Share of the pictures without tumor that get a healthy patch.
    healthy_patch_probability: float = 0.35
    # Share of the pictures without tumor that are made by covering a lesion; never a glioma (training.feed.mixing).
    cover_probability: float = 0.2
    # Share of those that are covered from another head of the same view, where there is one.
    cover_from_another_share: float = 0.75
    # The lesion is cut out with this margin, and the seam runs within it.
    margin: float = 0.2
    scale: tuple[float, float] = (0.7, 1.5)
    contrast: tuple[float, float] = (0.6, 1.7)
    rotation_degrees: float = 25.0
    # Mean difference in grey levels that a pasted lesion must make: an invisible one would teach false alarms.
    least_visible: float = 12.0
    # How far from its own place a lesion may go; gliomas go anywhere in the brain.
    jitter: float = 0.06
    # Largest lesion (share of the area) that is covered; least likeness of the two sides for covering with the other.
    cover_largest_area: float = 0.08
    cover_symmetry: float = 0.7


# Grey level above which a place is tissue, so that a lesion may go there.
_TISSUE = 30
_TRIES = 8
# What covers a lesion reaches this much beyond its box: a lesion's edge left over would still be a tumor.
_COVER_MARGIN = 1.25
# How far beyond the lesion and its margin a seam may reach, in halves of the lesion.
_WIDEST_SEAM = 0.3
# Where a lesion may go: near its own place or that place's mirror image, anywhere in the brain, or near the centre.
OWN_PLACE, ANYWHERE, CENTRE = range(3)


def paste_lesion(
    brain: NDArray[np.uint8], donor: NDArray[np.uint8], box: NDArray[np.float32], placement: int,
    settings: Synthesis, random: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Lay the donor's lesion into a brain: float32 (size, size), 0..255, and the lesion's new box.

    brain, donor: uint8 (size, size); box: float32 (4,), top, bottom, left, right as shares of the side.
    """
    attempts = []
    for _ in range(_TRIES):
        pasted, new_box, visible = _paste_once(brain, donor, box, placement, settings, random)
        if visible >= settings.least_visible:
            return pasted, new_box
        attempts.append((visible, pasted, new_box))
    _, pasted, new_box = max(attempts, key=lambda attempt: attempt[0])
    return pasted, new_box


def _paste_once(
    brain: NDArray[np.uint8], donor: NDArray[np.uint8], box: NDArray[np.float32], placement: int,
    settings: Synthesis, random: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:  # fmt: skip
    """Paste with one draw of place, size and contrast, and measure the mean difference that the lesion makes."""
    size = brain.shape[0]
    centre, half = _centre_and_half(box, size)
    scale = np.exp(random.uniform(*np.log(settings.scale)))
    # What fills the donor's head must not fill the brain.
    scale = min(scale, 0.25 * size / half.max())
    place = _place(brain, centre, placement, settings, random)
    angle = np.deg2rad(random.uniform(-1, 1) * settings.rotation_degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    if random.random() < 0.5:
        turn = np.diag([1.0, -1.0]) @ turn
    patch = affine_transform(donor.astype(np.float32), turn, centre - turn @ place, order=1, mode="nearest")
    radius = _ellipse(size, place, turn, half)
    pasted = _blend(brain.astype(np.float32), patch, radius, settings, random)
    reach = np.abs(np.linalg.inv(turn)) @ half
    new_box = np.array([place[0] - reach[0], place[0] + reach[0], place[1] - reach[1], place[1] + reach[1]]) / size
    visible = float(np.abs(pasted - brain)[radius < 1].mean()) if (radius < 1).any() else 0.0
    return pasted, np.clip(new_box, 0, 1).astype(np.float32), visible


def paste_healthy(
    brain: NDArray[np.uint8], other: NDArray[np.uint8], box: NDArray[np.float32], settings: Synthesis,
    random: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """Lay the same place of another healthy brain into a brain, with the seam and the contrasts of a pasted lesion."""
    size = brain.shape[0]
    centre, half = _centre_and_half(box, size)
    place = centre + random.normal(0, 0.02 * size, 2)
    radius = _ellipse(size, place, np.eye(2), half)
    patch = affine_transform(other.astype(np.float32), np.eye(2), centre - place, order=1, mode="nearest")
    return _blend(brain.astype(np.float32), patch, radius, settings, random)


def cover_lesion(
    picture: NDArray[np.uint8], box: NDArray[np.float32], settings: Synthesis, random: np.random.Generator
) -> NDArray[np.float32] | None:
    """Lay the mirrored other side over a lesion; None where it is too large, central, or the view not symmetrical."""
    area, off_centre = (box[1] - box[0]) * (box[3] - box[2]), abs(box[2] + box[3] - 1) / 2
    half_width = (box[3] - box[2]) / 2
    # Where the cover crosses the middle it must not bring the lesion's own edge to the other side.
    reach = half_width * _COVER_MARGIN * (1 + settings.margin + _WIDEST_SEAM)
    if area > settings.cover_largest_area or off_centre < max(half_width + 0.04, (half_width + reach) / 2):
        return None
    mirrored = picture[:, ::-1]
    if np.corrcoef(picture[::4, ::4].ravel(), mirrored[::4, ::4].ravel())[0, 1] < settings.cover_symmetry:
        return None
    size = picture.shape[0]
    centre, half = _centre_and_half(box, size)
    half = half * _COVER_MARGIN
    radius = _ellipse(size, centre, np.eye(2), half)
    alpha = _feather(radius, settings, random)
    return (picture * (1 - alpha) + mirrored * alpha).astype(np.float32)


def replace_lesion(
    picture: NDArray[np.uint8], box: NDArray[np.float32], alike: NDArray[np.uint8], settings: Synthesis,
    random: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """Lay what stands at the lesion's place in another head of the same view over it, its grey levels adapted."""
    size = picture.shape[0]
    centre, half = _centre_and_half(box, size)
    half = half * _COVER_MARGIN
    radius = _ellipse(size, centre, np.eye(2), half)
    alpha = _feather(radius, settings, random)
    own, patch = picture.astype(np.float32), alike.astype(np.float32)
    ring = (radius > 1.0) & (radius < 1.6)
    contrast = np.clip((own[ring].std() + 1) / (patch[ring].std() + 1), 0.5, 2.0)
    patch = own[ring].mean() + (patch - patch[ring].mean()) * contrast
    return np.clip(own * (1 - alpha) + patch * alpha, 0, 255).astype(np.float32)


def _centre_and_half(box: NDArray[np.float32], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give a box's centre and half its height and width, in px; at least two, so that there is something to blend."""
    centre = np.array([box[0] + box[1], box[2] + box[3]]) / 2 * size
    return centre, np.maximum(np.array([box[1] - box[0], box[3] - box[2]]) / 2 * size, 2.0)


def _place(
    brain: NDArray[np.uint8], own: NDArray[np.float64], placement: int, settings: Synthesis, random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw where the lesion's centre goes, in px, until there is tissue."""
    size = brain.shape[0]
    place = own
    for _ in range(_TRIES):
        if placement == ANYWHERE:
            place = random.uniform(0.22, 0.78, 2) * size
        elif placement == CENTRE:
            place = (np.array([0.52, 0.5]) + random.normal(0, [0.08, 0.03])) * size
        else:
            mirrored = np.array([own[0], size - own[1]]) if random.random() < 0.5 else own
            place = np.clip(mirrored + random.normal(0, settings.jitter * size, 2), 0.1 * size, 0.9 * size)
        if brain[int(place[0]), int(place[1])] > _TISSUE:
            break
    return place


def _ellipse(
    size: int, centre: NDArray[np.float64], turn: NDArray[np.float64], half: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Distance from the centre, 1 on the ellipse within the (turned) box: float32 (size, size)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    dy, dx = y - centre[0], x - centre[1]
    v, u = turn[0, 0] * dy + turn[0, 1] * dx, turn[1, 0] * dy + turn[1, 1] * dx
    return np.hypot(v / half[0], u / half[1]).astype(np.float32)


def _feather(radius: NDArray[np.float32], settings: Synthesis, random: np.random.Generator) -> NDArray[np.float32]:
    """Opacity: 1 inside the lesion, falling smoothly to 0 at its margin. The seam's width is drawn."""
    # The ellipse that touches the box's corners' middle leaves lesion outside; start at 1 and end beyond the margin.
    inner, outer = random.uniform(0.8, 1.0), 1 + settings.margin + random.uniform(0.05, _WIDEST_SEAM)
    t = np.clip((outer - radius) / (outer - inner), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _blend(
    brain: NDArray[np.float32], patch: NDArray[np.float32], radius: NDArray[np.float32], settings: Synthesis,
    random: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """Blend the patch in, its surroundings brought to the brain's grey level there (or, at times, left as they are)."""
    alpha = _feather(radius, settings, random)
    contrast = np.exp(random.uniform(*np.log(settings.contrast)))
    ring = (radius > 1.0) & (radius < 1.4)
    if ring.any() and random.random() < 0.8:
        patch = brain[ring].mean() + (patch - patch[ring].mean()) * contrast
    else:
        patch = patch * contrast
    return np.clip(brain * (1 - alpha) + patch * alpha, 0, 255).astype(np.float32)
