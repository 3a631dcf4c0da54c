"""What is read from files, and how much at most."""

from dataclasses import dataclass

from model.answers.volume import MriVolume
from model.errors import ImageError
from model.reading.sizes import MAX_PIXELS, MAX_VOXELS, MriImage

Content = MriImage | MriVolume | ImageError


@dataclass(frozen=True)
class Limits:
    """How much is read in one call.

    max_pixels: of one picture or slice. max_voxels: of all volumes and of all that comes out of archives, together.
    max_files: files, those in archives counted one by one.
    """

    max_pixels: int = MAX_PIXELS
    max_voxels: int = MAX_VOXELS
    max_files: int = 600


@dataclass(frozen=True, eq=False)
class Reading:
    """One picture, one volume, or one refusal.

    files: the places of the files that it came from, ascending, in the order in which they were given.
    """

    files: tuple[int, ...]
    content: Content
