"""Random contrasts: tissue that is bright in one sequence is dark in the next, and a tumor remains a tumor.

The network must read shapes and differences, because any scanner, sequence or export may come.

Source: random shallow networks over the intensities, Ouyang et al. 2021, arXiv:2111.12525.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate, gaussian_filter, zoom

from training.recipes import Contrast

# Up to this grey level a preprocessed pixel counts as air.
AIR = 12
# Layers of a random network, and the channels between them.
_LAYERS, _CHANNELS = 3, 2
# A changed image shows nothing if its tissue's grey levels spread less than this (or than half as before, if smaller).
_LEAST_SPREAD = 30.0


def change_contrast(image: NDArray[np.float32], strength: Contrast, random: np.random.Generator) -> NDArray[np.float32]:
    """Return the image, float32 (size, size), 0..255, with other tones or unchanged. Air stays black."""
    kind = random.random()
    if kind < strength.shallow_network:
        changed = shallow_network(image, random)
    elif kind < strength.shallow_network + strength.tone_curve:
        changed = tone_curve(image, random)
    elif kind < strength.shallow_network + strength.tone_curve + strength.inverted:
        changed = random.uniform(200, 270) - image
    else:
        return image
    changed = np.clip(with_black_air(changed, image), 0, 255)
    # Some curves map everything to one grey, which shows nothing.
    least = min(_LEAST_SPREAD, _spread(image, image) / 2)
    return changed if _spread(changed, image) >= least else image


def change_detail(image: NDArray[np.float32], strength: Contrast, random: np.random.Generator) -> NDArray[np.float32]:
    """Return the image, float32 (size, size), 0..255, sometimes with thicker slices or a ghost."""
    if random.random() < strength.thick:
        image = thick(image, random.uniform(strength.thick_share, 1), int(random.integers(2)))
    if random.random() < strength.ghost:
        image = ghost(image, random.uniform(0, strength.ghost_strength), random)
    return image


def _spread(changed: NDArray[np.float32], image: NDArray[np.float32]) -> float:
    """Return the spread of the grey levels of most former tissue; its rim and bright spots do not count."""
    tissue = changed[::3, ::3][image[::3, ::3] > 2 * AIR]
    return float(np.subtract(*np.quantile(tissue, (0.85, 0.15)))) if tissue.size else 0.0


def shallow_network(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Mix an image with its result from a few small random convolutions: float32, same shape, 0..255."""
    unit = image / np.float32(127.5) - 1
    x = unit[None]
    for layer in range(_LAYERS):
        n_out = 1 if layer == _LAYERS - 1 else _CHANNELS
        side = 3 if random.random() < 0.4 else 1
        kernels = random.standard_normal((n_out, len(x), side, side), np.float32)
        x = np.stack([_layer(x, kernels[o], float(random.standard_normal())) for o in range(n_out)])
        if layer < _LAYERS - 1:
            x = np.where(x > 0, x, np.float32(0.1) * x)
    # Scaled to the image's strength: otherwise the mixing share would mean nothing.
    changed = x[0] * (np.linalg.norm(unit) / max(float(np.linalg.norm(x[0])), 1e-6))
    share = np.float32(random.uniform(0.4, 1))
    return _stretched(share * changed + (1 - share) * unit, image)


def _layer(channels: NDArray[np.float32], kernels: NDArray[np.float32], bias: float) -> NDArray[np.float32]:
    total = np.full(channels[0].shape, bias, np.float32)
    for channel, kernel in zip(channels, kernels, strict=True):
        total += kernel[0, 0] * channel if kernel.size == 1 else correlate(channel, kernel, mode="nearest")
    return total


def tone_curve(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Map grey levels through a curve of random heights, mixed with the original order to preserve edges."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)
    knots = random.uniform(0, 1, int(random.integers(4, 9)))
    own = random.uniform(0.3, 1) * random.choice([-1, 1])
    curve = random.uniform(0.3, 1) * np.interp(levels, np.linspace(0, 1, len(knots)), knots) + own * levels
    return _stretched(curve.astype(np.float32)[np.clip(image, 0, 255).astype(np.uint8)], image)


def _stretched(changed: NDArray[np.float32], image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map the changed tissue to nearly all of 0..255, like an export's window; outliers are clipped."""
    tissue = changed[::3, ::3][image[::3, ::3] > AIR]
    if not tissue.size:
        return image
    low, high = np.quantile(tissue, (0.01, 0.99))
    return np.clip((changed - low) * np.float32(235 / max(float(high - low), 1e-3)) + 20, 0, 255).astype(np.float32)


def with_black_air(changed: NDArray[np.float32], image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blacken what was air in the original image, with a soft edge."""
    # Smoothed: noisy air and dark fluid would otherwise alternate between air and tissue pixel by pixel.
    tissue = np.clip(gaussian_filter(image, 1.0) / AIR - 0.5, 0, 1)
    return (changed * tissue).astype(np.float32)


def thick(image: NDArray[np.float32], share: float, axis: int) -> NDArray[np.float32]:
    """Reduce the rows (axis 0) or columns (axis 1) to a share, then enlarge again: float32, same shape."""
    shares = [share, 1.0] if axis == 0 else [1.0, share]
    small = zoom(image, shares, order=1, grid_mode=True, mode="nearest")
    back = [n / m for n, m in zip(image.shape, small.shape, strict=True)]
    return zoom(small, back, order=1, grid_mode=True, mode="nearest")


def ghost(image: NDArray[np.float32], strength: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Add faint copies shifted by a fraction of the field of view along one axis: float32, same shape."""
    axis, shift = int(random.integers(2)), image.shape[0] // int(random.integers(2, 5))
    copies = (np.roll(image, shift, axis) + np.roll(image, -shift, axis)) / 2
    return ((1 - strength) * image + strength * copies).astype(np.float32)
