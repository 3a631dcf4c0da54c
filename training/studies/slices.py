"""Write the slices of volumes as images of a class, for scoring a network on heads from other sources."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from model.errors import ImageError
from model.reading.contents import MriVolume
from model.reading.many_files import read_files
from model.reading.orientation import PLANES
from training.errors import DataError

# Voxels with sides differing by less than this share count as cubes: the volume can be cut in any plane.
_CUBE_TOLERANCE = 0.05


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: volumes and their class."""
    parser.add_argument("--volumes", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--class", dest="class_name", required=True, metavar="CLASS", help="the folder's name: no_tumor"
    )
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=["axial"], help="default: axial")
    parser.add_argument("--every-mm", type=float, default=5.0, metavar="MM", help="between slices (default: 5)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def run(options: argparse.Namespace) -> None:
    """Write the slices."""
    counts = write_slices(options.volumes, options.class_name, options.planes, options.every_mm, options.out)
    print(f"{sum(counts.values())} images in {options.out / options.class_name}: {counts}")


def write_slices(
    volumes: Sequence[Path], class_name: str, planes: Sequence[str], every_mm: float, out: Path
) -> dict[str, int]:
    """Write PNG files into out/CLASS/ as the page shows these slices. Return the number of each volume.

    Only slices that would be classified are written; those of an axial volume of cubes also in the other planes.

    volumes: NIfTI files; planes: of model.reading.orientation.PLANES; every_mm: distance between slices. If the file
    has no spacing, every slice is written.

    Raises:
        DataError: a file has no volume or none of these planes, or two have the same name.
    """
    folder = out / class_name
    counts = {}
    for file in volumes:
        name = file.name.split(".")[0]
        if name in counts:
            raise DataError(f"Expected volumes of different names. Received two called {name}.")
        volume = _read(file)
        cuts = [(plane, _cut(volume, plane, file)) for plane in planes]
        folder.mkdir(parents=True, exist_ok=True)
        counts[name] = 0
        for plane, cut in cuts:
            usable = cut.brain_slices()
            every = max(1, round(every_mm / cut.spacing_mm)) if cut.spacing_mm > 0 else 1
            for i in usable[::every]:
                Image.fromarray(cut.slices[i]).save(folder / f"{name}-{plane}-{i:03}.png")
                counts[name] += 1
    return counts


def _read(file: Path) -> MriVolume:
    try:
        content = read_files([file.read_bytes()])[0].content
    except OSError as error:
        raise DataError(f"Expected a NIfTI file. {file} cannot be read: {error}.") from error
    if isinstance(content, ImageError):
        raise DataError(f"{file}: {content}")
    if not isinstance(content, MriVolume) or content.format != "NIfTI":
        raise DataError(f"Expected a NIfTI volume. {file} holds something else.")
    return content


def _cut(volume: MriVolume, plane: str, file: Path) -> MriVolume:
    """Return the volume cut into slices of a plane."""
    if plane == volume.plane:
        return volume
    try:
        zooms = nibabel.loadsave.load(file).header.get_zooms()[:3]
    except nibabel.filebasedimages.ImageFileError as error:
        raise DataError(
            f"Expected a file called .nii or .nii.gz, to cut it in another plane than its own. Received {file}: {error}"
        ) from error
    if volume.plane != "axial" or max(zooms) > (1 + _CUBE_TOLERANCE) * min(zooms):
        raise DataError(
            f"Expected a volume of cubic voxels, which can be cut in any plane. The slices of {file} are "
            f"{volume.plane or 'of an unknown plane'} and its voxels {' x '.join(f'{z:.2g}' for z in zooms)} mm. "
            f"Leave out {plane}."
        )
    # Axial slices count feet to head, rows front to back, columns from the patient's right to the left.
    slices = volume.slices.transpose(1, 0, 2) if plane == "coronal" else volume.slices.transpose(2, 0, 1)[::-1]
    return MriVolume(np.ascontiguousarray(slices[:, ::-1]), plane, volume.spacing_mm, volume.format)
