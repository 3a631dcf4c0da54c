"""Headers of FreeSurfer's files, `.mgh` and `.mgz`.

What follows the voxels, which may hold names of people and of their folders, is never looked at.
Source: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat.
"""

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader

from model.reading.contents import damaged
from model.reading.research.header import VolumeHeader, assumed_affine, axes
from model.reading.research.nifti import DAMAGE
from model.reading.signatures import GZIP, VolumeFormat, first_bytes

# Of its fields; the rest up to the voxels is reserved.
_HEADER_BYTES = 90


def mgh_header(content: bytes) -> VolumeHeader:
    """Read the header of an MGH file.

    Raises:
        UnsuitableImage: more sequences than MAX_SETS.
        UnreadableImage: cut off or damaged.
    """
    head = first_bytes(content)[:_HEADER_BYTES]
    try:
        with np.errstate(all="ignore"):
            raw = MGHHeader(head)
            shape, n_sets = axes(raw.get_data_shape(), VolumeFormat.MGH)
            affine = np.array(raw.get_affine(), np.float64)
            knows_orientation = bool(raw["goodRASFlag"] > 0)
            return VolumeHeader(
                VolumeFormat.MGH,
                shape,
                n_sets,
                raw.get_data_dtype(),
                affine if knows_orientation else assumed_affine(affine, shape),
                knows_orientation,
                int(raw.get_data_offset()),
                compression="deflate" if content.startswith(GZIP) else "",
            )
    except DAMAGE as error:
        raise damaged(VolumeFormat.MGH) from error
