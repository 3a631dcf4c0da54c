"""Draw images and evidence, as JPEG and WebP."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Opacity of the strongest evidence in the overlay; the image stays visible under it.
STRONGEST_OPACITY = 0.65
# Black, violet, red, orange, yellow: brightness rises with evidence, so that it also reads in grey.
_COLOUR_STOPS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=np.float32)


def _between_stops() -> NDArray[np.uint8]:
    """Return the colours of 256 steps of evidence, uint8 (256, 3), linear between the stops."""
    steps, stops = np.linspace(0, 1, 256), np.linspace(0, 1, len(_COLOUR_STOPS))
    colours = np.stack([np.interp(steps, stops, channel) for channel in _COLOUR_STOPS.T], axis=-1)
    return np.asarray(np.rint(colours), dtype=np.uint8)


_COLOURS = _between_stops()
# By step: how much of the colour covers the image, 0..255; the colour's luminance; and how blue and how red the
# image becomes, 128 being grey, with the colour laid over it at that opacity.
_OPACITY = [round(STRONGEST_OPACITY * step) for step in range(256)]
_LUMINANCE, *_CHROMINANCES = np.asarray(Image.fromarray(_COLOURS[None]).convert("YCbCr"))[0].T.astype(int).tolist()
_BLUENESS, _REDNESS = (
    [round(128 + (channel[step] - 128) * _OPACITY[step] / 255) for step in range(256)] for channel in _CHROMINANCES
)


def overlay_jpeg(pixels: NDArray[np.uint8], strength: NDArray[np.uint8]) -> bytes:
    """Return the overlay as JPEG, without any metadata: several times faster than PNG, and visually the same."""
    return _encoded(overlay(pixels, strength), "JPEG", quality=85)


def overlay(pixels: NDArray[np.uint8], strength: NDArray[np.uint8]) -> Image.Image:
    """Draw the positive evidence over the grey image: an image of its size, in JPEG's colours (YCbCr).

    pixels: uint8, shape (height, width); strength: `in_steps`, of the same shape. A place of strength 255 gets
    STRONGEST_OPACITY; one of 0 stays grey.
    """
    steps = Image.fromarray(strength)
    # The image is grey, so that two of the three channels depend on the strength alone.
    grey = Image.composite(steps.point(_LUMINANCE), Image.fromarray(pixels), steps.point(_OPACITY))
    return Image.merge("YCbCr", (grey, steps.point(_BLUENESS), steps.point(_REDNESS)))


def layer_webp(strength: NDArray[np.uint8], is_blue: bool = False) -> bytes:
    """Draw positive evidence as colour that is the more opaque the stronger it is, as WebP with an alpha channel.

    strength: `in_steps`, shape (height, width); 255 becomes fully opaque. is_blue: from violet to light blue instead of
    yellow, for what is no reason to be alarmed.
    """
    colours = _COLOURS[:, ::-1] if is_blue else _COLOURS
    layer = np.dstack([colours[strength], strength])
    return _encoded(Image.fromarray(layer), "WEBP", quality=80, method=0)


def picture_webp(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a grey image, uint8 (height, width), as WebP for display: far smaller than PNG."""
    return _encoded(Image.fromarray(pixels), "WEBP", quality=88, method=0)


def shrink(pixels: NDArray[np.uint8], max_side_px: int) -> NDArray[np.uint8]:
    """Reduce a grey image so that neither side is longer than given; a smaller one stays as it is."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8)


def in_steps(evidence: NDArray[np.float32], strongest: float) -> NDArray[np.uint8]:
    """Map evidence, float32 of any shape, from 0..strongest to 0..255, uint8; what speaks against the class is 0.

    strongest: the evidence, in the same unit, that becomes 255.
    """
    shares = np.clip(evidence * np.float32(1 / max(strongest, 1e-12)), 0, 1)
    return np.asarray(shares * np.float32(255), dtype=np.uint8)


def _encoded(picture: Image.Image, picture_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, picture_format, **options)
    return buffer.getvalue()
