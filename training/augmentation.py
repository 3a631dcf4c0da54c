"""Random changes of a preprocessed picture during training; never part of the saved network.

The published collections differ in look (scanner, sequence, export) more than in content, and their gliomas share one
look: a network learns the look unless it is made unreliable. So grey levels are changed strongly, shapes mildly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter, zoom


@dataclass(frozen=True)
class Augmentation:
    """Strengths; each picture draws its own values uniformly up to them."""

    # Left and right are alike for these classes. Pictures are never turned upside down.
    mirror_probability: float = 0.5
    rotation_degrees: float = 15.0
    # Heads fill the frame after cropping; necks and skull caps make them fill it differently.
    scale: float = 0.18
    shift_share: float = 0.08
    # Gamma from 1/2.2 to 2.2: the usual spread between linear and display-encoded exports.
    gamma: float = 2.2
    # Knots of a random rising curve, mixed in: no single gamma describes another sequence.
    tone_curve_share: float = 0.5
    contrast: float = 0.35
    brightness: float = 30.0
    # Slow change of brightness over the picture, as coils cause it.
    bias_field: float = 0.3
    blur_probability: float = 0.4
    blur_sigma_px: float = 1.5
    sharpen_probability: float = 0.3
    sharpen_amount: float = 1.5
    noise_probability: float = 0.4
    noise_sigma: float = 14.0
    # Share of the side that is left before enlarging again: thumbnails from the web.
    low_resolution_probability: float = 0.25
    low_resolution_share: float = 0.45
    # A rectangle filled with noise-free grey: no single spot may decide.
    erase_probability: float = 0.2
    erase_share: float = 0.25


def augment(pixels: NDArray[np.uint8], strength: Augmentation, random: np.random.Generator) -> NDArray[np.float32]:
    """Change one picture at random: uint8 to float32, (size, size), 0..255. The argument stays as it was."""
    picture = _move(pixels.astype(np.float32), strength, random)
    picture = _change_tones(picture, strength, random)
    picture = _change_texture(picture, strength, random)
    return _erase(np.clip(picture, 0, 255), strength, random)


def _move(picture: NDArray[np.float32], strength: Augmentation, random: np.random.Generator) -> NDArray[np.float32]:
    if random.random() < strength.mirror_probability:
        picture = picture[:, ::-1]
    angle = np.deg2rad(random.uniform(-1, 1) * strength.rotation_degrees)
    scale = np.exp(
        random.uniform(-1, 1, 2) * strength.scale * np.array([0.4, 0.4]) + random.uniform(-1, 1) * strength.scale
    )
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / scale
    centre = (np.array(picture.shape) - 1) / 2
    shift = random.uniform(-1, 1, 2) * strength.shift_share * picture.shape[0]
    return affine_transform(picture, matrix, centre - matrix @ (centre + shift), order=1)


def _change_tones(
    picture: NDArray[np.float32], strength: Augmentation, random: np.random.Generator
) -> NDArray[np.float32]:
    unit = picture / 255
    if random.random() < strength.tone_curve_share:
        knots = np.sort(random.uniform(0, 1, 4))
        unit = np.interp(unit, np.linspace(0, 1, 6), np.concatenate([[0], knots, [1]])).astype(np.float32)
    else:
        unit = unit ** np.float32(strength.gamma ** random.uniform(-1, 1))
    contrast = 1 + random.uniform(-1, 1) * strength.contrast
    brightness = random.uniform(-1, 1) * strength.brightness
    # Air stays black: brightness and contrast act on tissue, as scanners and viewers show it.
    tissue = np.minimum(unit * 8, 1)
    levels = unit * 255 * contrast + brightness * tissue
    return (levels * _bias_field(picture.shape[0], strength, random)).astype(np.float32)


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
    return picture


def _erase(picture: NDArray[np.float32], strength: Augmentation, random: np.random.Generator) -> NDArray[np.float32]:
    if random.random() < strength.erase_probability:
        size = picture.shape[0]
        height, width = (random.uniform(0.05, strength.erase_share, 2) * size).astype(int)
        top, left = random.integers(0, size - height), random.integers(0, size - width)
        picture[top : top + height, left : left + width] = random.uniform(0, 255)
    return picture.astype(np.float32)
