"""What reading a file yields (an image, a volume or a refusal), and the limits."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import ImageError, UnreadableImage, UnsuitableImage
from model.preprocessing import has_contrast, head_threshold
from model.reading.sizes import MAX_PIXELS, MAX_VOXELS
from model.sentences import Sentence

# A slice is classified when its head is at least this share of the largest slice's: the uppermost 18 mm of three heads
# fall below it, of which 10 mm are scalp and skull.
MIN_HEAD_SHARE = 0.4
# Of axial slices, those from the first that counts down to here hold the brain, to the cerebellum. Below are face and
# neck, as large as the brain: 100 mm of them in two of five healthy heads.
BRAIN_DEPTH_MM = 110
# Largest number of pixels of a volume used to measure its grey levels.
MAX_MEASURED = 4_000_000


@dataclass(frozen=True, eq=False)
class MriImage:
    """One image as it was read.

    pixels: uint8, shape (height, width), 0..255, higher is brighter; upright by the file's orientation.
    format: the format that the content showed, in Pillow's spelling ("JPEG", "PNG", ...), "DICOM" or a `VolumeFormat`.
    notes: warnings for the sender; steps: sentences on how these pixels were made.
    plane: as in MriVolume. facts: what the file says about how it was acquired.
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
        axial: from foot to head, forehead up, the patient's right on the left of the image;
        coronal: from front to back, head up, the patient's right on the left;
        sagittal: from the patient's left to the right, head up, face to the left.
    plane: "axial", "coronal", "sagittal", or "" where the file does not say; then slices lie as they were stored.
    spacing_mm: between the centres of slices; pixel_mm: between those of pixels; nan where unknown.
    format: "DICOM" or a `VolumeFormat`.
    notes: warnings for the sender; steps: sentences on how these slices were made.
    facts: what the file says about how it was acquired; never a person's name.
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
        """Return one slice as an image, without notes."""
        return MriImage(self.slices[slice_index], self.format)

    def brain_slices(self) -> NDArray[np.int64]:
        """Return the indices of the slices to classify, int64, shape (n,), in order.

        A slice counts when the area brighter than air (preprocessing's threshold, but from the whole volume's grey
        levels, so that noise next to the head does not become a head) is at least MIN_HEAD_SHARE of the largest
        slice's. Of axial slices of a known distance, those further than BRAIN_DEPTH_MM below the first are left out:
        skull base and neck. Slices without contrast are never returned: the network cannot take them. The result is
        empty only if no slice has contrast.
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
    """Limits of one call.

    max_pixels: of one image or slice. max_voxels: of all volumes and of all that comes out of archives, together.
    max_files: files, those in archives counted one by one.
    """

    max_pixels: int = MAX_PIXELS
    max_voxels: int = MAX_VOXELS
    max_files: int = 600


# A local run may read larger series than a public server accepts.
OWN_MACHINE = Limits(max_voxels=4 * MAX_VOXELS, max_files=20_000)


@dataclass(frozen=True)
class Member:
    """A file inside a zip file.

    place: among all entries of the zip file's directory, from 0; sha256: of its unpacked bytes, in hexadecimal. Its
    name is not kept: it may name a person.
    """

    place: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Reading:
    """One image, one volume, or one refusal.

    files: the places of the files that it came from, ascending, in the order in which they were given; members: which
    files of a zip file these are, in the order of its directory, where they came from one.
    """

    files: tuple[int, ...]
    content: Content
    members: tuple[Member, ...] = ()


def a_volume(n_slices: int) -> UnsuitableImage:
    """Return the refusal of a volume where one slice is expected."""
    return UnsuitableImage(
        Sentence(
            "Expected one slice, but this is a volume of {n_slices} slices. Export one slice, or send the "
            "volume on the page or to `python -m model`.",
            n_slices=n_slices,
        )
    )


def damaged(file_format: str) -> UnreadableImage:
    """Return the refusal of a file that is cut off or damaged."""
    return UnreadableImage(
        Sentence(
            "This {format} file is cut off or damaged. Export it again.",
            format=file_format,
        )
    )
