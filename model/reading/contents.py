"""What is read from files: an image, a volume, or a refusal; and how much at most."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import ImageError, UnreadableImage, UnsuitableImage
from model.preprocessing import has_contrast, head_threshold
from model.reading.sizes import MAX_PIXELS, MAX_VOXELS
from model.sentences import Sentence

# A slice is classified when its head is at least this share of the largest slice's: the uppermost 18 mm of three heads
# are less, of which 10 mm are scalp and skull.
MIN_HEAD_SHARE = 0.4
# Of axial slices, those from the first that counts down to here hold the brain, to the cerebellum. Below are face and
# neck, as large as the brain: 100 mm of them in two of five healthy heads.
BRAIN_DEPTH_MM = 110
# How many pixels of a volume its grey levels are measured on.
MAX_MEASURED = 4_000_000


@dataclass(frozen=True, eq=False)
class MriImage:
    """One picture as it was read.

    pixels: uint8, shape (height, width), 0..255, higher is brighter; upright by the file's orientation.
    format: the format that the content showed, in Pillow's spelling ("JPEG", "PNG", ...), "DICOM" or a `VolumeFormat`.
    notes: sentences on what its sender should know, as a warning; steps: on what was done to come to these pixels.
    plane: as of a volume. facts: what the file says of how it was made.
    """

    pixels: NDArray[np.uint8]
    format: str
    notes: tuple[Sentence, ...] = ()
    steps: tuple[Sentence, ...] = ()
    plane: str = ""
    facts: tuple[Sentence, ...] = ()


@dataclass(frozen=True, eq=False)
class MriVolume:
    """Parallel slices in anatomical order, upright as radiologists look at them.

    slices: uint8, shape (n, height, width), 0..255, one grey window for all; square pixels.
        axial: from foot to head, forehead up, the patient's right on the left of the picture;
        coronal: from front to back, head up, the patient's right on the left;
        sagittal: from the patient's left to the right, head up, face to the left.
    plane: "axial", "coronal", "sagittal", or "" where the file does not say; then slices lie as they were stored.
    spacing_mm: between the centres of slices; pixel_mm: between those of pixels; nan where unknown.
    format: "DICOM" or a `VolumeFormat`.
    notes: sentences on what its sender should know, as a warning; steps: on what was done to come to these slices.
    facts: what the file says of how it was made, and that names nobody.
    """

    slices: NDArray[np.uint8]
    plane: str
    spacing_mm: float
    format: str
    notes: tuple[Sentence, ...] = ()
    steps: tuple[Sentence, ...] = ()
    pixel_mm: float = math.nan
    facts: tuple[Sentence, ...] = ()

    def image(self, slice_index: int) -> MriImage:
        """Give one slice as a picture, without notes."""
        return MriImage(self.slices[slice_index], self.format)

    def brain_slices(self) -> NDArray[np.int64]:
        """Give the indices of the slices to classify, int64, shape (n,), in order.

        A slice counts when the area brighter than air (preprocessing's threshold, but from the whole volume's grey
        levels, so that noise beside the head does not become a head) is at least MIN_HEAD_SHARE of the largest
        slice's. Of axial slices of a known distance, those further than BRAIN_DEPTH_MM below the first are left out:
        skull base and neck. Slices without contrast, which the network cannot take, are never given. Empty only if no
        slice has contrast.
        """
        usable = np.array([has_contrast(pixels) for pixels in self.slices], bool)
        every = -(-self.slices.size // MAX_MEASURED)
        threshold = head_threshold(self.slices.reshape(-1)[::every])
        areas = np.array([np.count_nonzero(pixels > threshold) for pixels in self.slices])
        areas[~usable] = 0
        of_head = np.flatnonzero(usable & (areas >= MIN_HEAD_SHARE * areas.max()))
        if self.plane != "axial" or not np.isfinite(self.spacing_mm) or not of_head.size:
            return of_head
        of_brain: NDArray[np.int64] = of_head[(of_head[-1] - of_head) * self.spacing_mm <= BRAIN_DEPTH_MM]
        return of_brain


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


# On one's own machine a series may be larger than what a server takes from strangers.
OWN_MACHINE = Limits(max_voxels=4 * MAX_VOXELS, max_files=20_000)


@dataclass(frozen=True)
class Member:
    """A file of a zip file.

    place: among all entries of the zip file's directory, from 0; sha256: of its unpacked bytes, in hexadecimal. Its
    name is not kept: it may name a person.
    """

    place: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Reading:
    """One picture, one volume, or one refusal.

    files: the places of the files that it came from, ascending, in the order in which they were given; members: which
    files of a zip file these are, in the order of its directory, where they came from one.
    """

    files: tuple[int, ...]
    content: Content
    members: tuple[Member, ...] = ()


def a_volume(n_slices: int) -> UnsuitableImage:
    """Give the refusal of a volume where one slice is expected."""
    return UnsuitableImage(
        Sentence(
            "Expected one slice. Received a volume of {n_slices} slices. Send it on the page or with "
            "`python -m model`, which read volumes slice by slice, or export one slice and try again.",
            n_slices=n_slices,
        )
    )


def damaged(file_format: str) -> UnreadableImage:
    """Return the refusal of a file that is cut off or damaged."""
    return UnreadableImage(
        Sentence(
            "Expected a complete {format} file. Received one that is cut off or damaged. Export it again and retry.",
            format=file_format,
        )
    )
