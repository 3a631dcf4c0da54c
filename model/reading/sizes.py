"""One image in memory, and the sizes that are refused before anything is decoded."""

from model.errors import TooManyPixels, UnreadableImage
from model.sentences import Sentence

# A grey image of this size takes 25 MB; MR slices are rarely above 1024 x 1024.
MAX_PIXELS = 25_000_000
# A volume of this size takes 64 MB as uint8: a head of 400 x 400 x 400, or 244 slices of 512 x 512.
MAX_VOXELS = 64_000_000
# The networks see 128 or 208 pixels along a side: below this, most of what they look for is lost.
COARSE_BELOW = 100
# Thinner images are strips of text or damage, not slices, and cost more to resample than to refuse.
MAX_ASPECT_RATIO = 20


def coarse_note(height: int, width: int) -> tuple[Sentence, ...]:
    """Return a warning if slices have too few pixels to show a small tumor."""
    if min(height, width) >= COARSE_BELOW:
        return ()
    return (
        Sentence(
            "Only {width} x {height} pixels: too coarse for a reliable answer. Send the slice at its full size.",
            width=width,
            height=height,
        ),
    )


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image by the size that its header claims.

    Raises:
        TooManyPixels: more than `max_pixels`.
        UnreadableImage: a strip, or nothing.
    """
    if width * height > max_pixels:
        raise too_many_pixels((width, height), max_pixels)
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise UnreadableImage(
            Sentence(
                "Expected a slice about as wide as high; this image has {width} x {height} pixels. Crop it to the "
                "slice.",
                width=width,
                height=height,
            )
        )


def check_voxels(n_voxels: int, max_voxels: int) -> None:
    """Refuse volumes by the size that their headers claim.

    Raises:
        TooManyPixels: more than `max_voxels`.
    """
    if n_voxels > max_voxels:
        raise TooManyPixels(
            Sentence(
                "Expected at most {limit} million voxels in all, but there are {received} million. Send fewer slices "
                "or series at once, or export them at a smaller size.",
                limit=f"{max_voxels / 1e6:.0f}",
                received=f"{n_voxels / 1e6:.0f}",
            )
        )


def too_many_pixels(size: tuple[int, int] | None, max_pixels: int) -> TooManyPixels:
    """Return the refusal of an image of this (width, height); None if the exact size is unknown."""
    limit = f"{max_pixels / 1e6:.0f}"
    if size is None:
        return TooManyPixels(
            Sentence(
                "This image has far more than {limit} million pixels. Export the slice at a smaller size.",
                limit=limit,
            )
        )
    return TooManyPixels(
        Sentence(
            "Expected at most {limit} million pixels; this image has {width} x {height}. Export the slice at a "
            "smaller size.",
            limit=limit,
            width=size[0],
            height=size[1],
        )
    )
