"""Random changes of a preprocessed image during training; never part of the saved network.

The published collections differ more in look (scanner, sequence, export) than in content, and their gliomas share one
look. A network learns that look unless it becomes unreliable: grey levels change strongly, shapes mildly.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import affine_transform, binary_fill_holes, distance_transform_edt, gaussian_filter, zoom

from training.feed.contrast import AIR, change_contrast, change_detail
from training.recipes import Augmentation

# Bounds of a factor between two images' spectra: more would turn noise into structure.
_SPECTRUM_BOUNDS = (0.4, 2.5)


def augment(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    strength: Augmentation,
    random: np.random.Generator,
    partner: NDArray[np.uint8] | None = None,
    outline: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return one image of 0..255 changed at random, float32, (size, size), 0..255, and its lesion's moved outline.

    partner: another training image of the same shape, whose look may be borrowed; outline: float32 (size, size), 0..1.
    The arguments are not changed.
    """
    image, outline = _move(pixels.astype(np.float32), outline, strength, random)
    if random.random() < strength.strip_probability:
        image = strip_skull(image, random.uniform(*strength.strip_share))
    if partner is not None:
        image = _borrow_look(image, partner, strength, random)
    toned = change_contrast(image, strength.another_contrast, random)
    # Changed tones followed by a strong gamma would make many heads all white or all black.
    image = _change_tones(toned, strength, random, bends=toned is image)
    image = change_detail(image, strength.another_contrast, random)
    image = _change_texture(image, strength, random)
    return _erase(np.clip(image, 0, 255), strength, random), outline


def _move(
    image: NDArray[np.float32], outline: NDArray[np.float32] | None, strength: Augmentation,
    random: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:  # fmt: skip
    angle = np.deg2rad(random.uniform(-1, 1) * strength.rotation_degrees)
    scale = np.exp(
        random.uniform(-1, 1, 2) * strength.scale * np.array([0.4, 0.4]) + random.uniform(-1, 1) * strength.scale
    )
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / scale
    if random.random() < strength.mirror_probability:
        matrix = matrix @ np.diag([1.0, -1.0])
    size = image.shape[0]
    centre = (np.array(image.shape) - 1) / 2
    shift = random.uniform(-1, 1, 2) * strength.shift_share * size
    if random.random() < strength.crop_probability:
        cut = random.uniform(0, strength.crop_share)
        matrix = matrix * (1 - cut)
        shift = shift + random.choice([-1, 1], 2) * cut / 2 * size
    offset = centre - matrix @ (centre + shift)
    moved = affine_transform(image, matrix, offset, order=1)
    return moved, None if outline is None else affine_transform(outline, matrix, offset, order=1)


def strip_skull(picture: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Blacken everything closer to the head's outline than a share of the side; float32, same shape."""
    return np.where(inside_head(picture, share), picture, 0).astype(np.float32)


def inside_head(picture: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Return which pixels are deeper in the head than a share of the side: bool, same shape as the float32 image."""
    head = binary_fill_holes(gaussian_filter(picture, 1.0) > 2 * AIR)
    return distance_transform_edt(head) > share * picture.shape[0]  # type: ignore[no-any-return]


def _borrow_look(
    picture: NDArray[np.float32], partner: NDArray[np.uint8], strength: Augmentation, random: np.random.Generator
) -> NDArray[np.float32]:
    if random.random() < strength.borrow_spectrum_probability:
        picture = match_spectrum(picture, partner.astype(np.float32))
    if random.random() < strength.borrow_levels_probability:
        share = random.uniform(0.4, 1)
        picture = (1 - share) * picture + share * match_levels(picture, partner)
    return np.clip(picture, 0, 255).astype(np.float32)


def match_levels(picture: NDArray[np.float32], partner: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the image with another one's grey level histogram, except in air (near black); float32, same shape."""
    levels = np.clip(picture, 0, 255).astype(np.uint8)
    tissue, wanted = levels[levels > AIR], partner[partner > AIR]
    if not tissue.size or not wanted.size:
        return picture
    shares = (np.bincount(tissue, minlength=256).cumsum() - 0.5) / tissue.size
    curve = np.quantile(wanted, np.clip(shares, 0, 1))
    curve[: AIR + 1] = np.linspace(0, curve[AIR + 1], AIR + 1)
    return curve[levels].astype(np.float32)


def match_spectrum(picture: NDArray[np.float32], partner: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image with another one's radial amplitude spectrum above the coarsest scales; float32, same shape."""
    size = picture.shape[0]
    own = np.fft.rfft2(picture)
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    ring = np.minimum(radius.astype(int), size // 2)
    n = np.bincount(ring.ravel())
    ratio = (np.bincount(ring.ravel(), np.abs(np.fft.rfft2(partner)).ravel()) + 1) / (
        np.bincount(ring.ravel(), np.abs(own).ravel()) + 1
    )
    ratio = np.clip(gaussian_filter(ratio, 2.0), *_SPECTRUM_BOUNDS)
    # The coarsest rings contain the head's outline and the lesion itself.
    ratio[: max(2, len(n) // 10)] = 1
    return np.fft.irfft2(own * ratio[ring], s=picture.shape).astype(np.float32)


def _change_tones(
    picture: NDArray[np.float32], strength: Augmentation, random: np.random.Generator, bends: bool
) -> NDArray[np.float32]:
    """Change contrast, brightness and, if `bends`, the tone curve: float32, same shape."""
    unit = picture / 255
    if bends:
        unit = _bent(unit, strength, random)
    contrast = 1 + random.uniform(-1, 1) * strength.contrast
    brightness = random.uniform(-1, 1) * strength.brightness
    # Air stays black: brightness and contrast act on tissue, as scanners and viewers show it.
    tissue = np.minimum(unit * 8, 1)
    levels = unit * 255 * contrast + brightness * tissue
    return (levels * _bias_field(picture.shape[0], strength, random)).astype(np.float32)


def _bent(unit: NDArray[np.float32], strength: Augmentation, random: np.random.Generator) -> NDArray[np.float32]:
    if random.random() < strength.tone_curve_share:
        knots = np.sort(random.uniform(0, 1, 4))
        return np.interp(unit, np.linspace(0, 1, 6), np.concatenate([[0], knots, [1]])).astype(np.float32)
    return unit ** np.float32(strength.gamma ** random.uniform(-1, 1))


def _bias_field(size: int, strength: Augmentation, random: np.random.Generator) -> NDArray[np.float32]:
    """A smooth field around 1, float32 (size, size): a plane and a bowl with random slopes."""
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    slope_y, slope_x, bowl = random.uniform(-1, 1, 3) * strength.bias_field
    return (1 + 0.5 * (slope_y * y + slope_x * x + bowl * (x * x + y * y - 0.7))).astype(np.float32)


def _change_texture(
    picture: NDArray[np.float32], strength: Augmentation, random: np.random.Generator
) -> NDArray[np.float32]:
    if random.random() < strength.low_resolution_probability:
        share = random.uniform(strength.low_resolution_share, 1)
        small = zoom(picture, share, order=1, grid_mode=True, mode="nearest")
        picture = zoom(small, picture.shape[0] / small.shape[0], order=1, grid_mode=True, mode="nearest")
    if random.random() < strength.blur_probability:
        picture = gaussian_filter(picture, random.uniform(0, strength.blur_sigma_px))
    elif random.random() < strength.sharpen_probability:
        detail = picture - gaussian_filter(picture, 1.0)
        picture = picture + random.uniform(0, strength.sharpen_amount) * detail
    if random.random() < strength.noise_probability:
        sigma = random.uniform(0, strength.noise_sigma)
        picture = picture + sigma * random.standard_normal(picture.shape, np.float32)
    if random.random() < strength.jpeg_probability:
        picture = _as_jpeg(picture, int(random.integers(*strength.jpeg_quality)))
    return picture


def _as_jpeg(picture: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer, formats=("JPEG",)) as coded:
        return np.asarray(coded, np.float32)


def _erase(picture: NDArray[np.float32], strength: Augmentation, random: np.random.Generator) -> NDArray[np.float32]:
    if random.random() < strength.erase_probability:
        size = picture.shape[0]
        height, width = (random.uniform(0.05, strength.erase_share, 2) * size).astype(int)
        top, left = random.integers(0, size - height), random.integers(0, size - width)
        picture[top : top + height, left : left + width] = random.uniform(0, 255)
    return picture.astype(np.float32)
