"""Headers of NIfTI files, `.nii` and `.nii.gz`, or `.hdr` next to an `.img`, and of Analyze 7.5, which NIfTI came from.

Their free texts (descrip, aux_file, db_name, patient_id) and extensions, which may hold names, are never looked at.
Source: NIfTI-1.1 and NIfTI-2 headers, https://nifti.nimh.nih.gov; dbh.h of ANALYZE 7.5 (Mayo Clinic).
"""

import logging
from typing import Any

import nibabel
import numpy as np
from nibabel.analyze import AnalyzeHeader
from nibabel.nifti1 import Nifti1PairHeader
from nibabel.nifti2 import Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from model.reading.contents import damaged
from model.reading.research.header import VolumeHeader, affine_of, assumed_affine, axes
from model.reading.signatures import GZIP, NIFTI_MAGICS, VolumeFormat, first_bytes, header_size

# nibabel logs what it finds in damaged headers; what is in a file stays out of logs.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)

# By the size of the header, and whether the voxels are in another file.
_KINDS = {
    (348, False): nibabel.Nifti1Header,
    (348, True): Nifti1PairHeader,
    (540, False): nibabel.Nifti2Header,
    (540, True): Nifti2PairHeader,
}
# xyzt_units: millimetres in a unit of space; unknown ones are taken for millimetres.
_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
# Where Analyze's axes go by its byte `orient`: transverse, coronal and sagittal, then the same flipped.
_ANALYZE_AXES = ("LAS", "LSA", "ASL", "LPS", "LIA", "AIL")
# Where that byte is, and how many there are in the header.
_ORIENT, _ANALYZE_BYTES = 252, 348
# What nibabel and numpy answer to damaged headers.
DAMAGE = (HeaderDataError, WrapStructError, ValueError, TypeError, KeyError, OverflowError, ArithmeticError)


def nifti_header(content: bytes) -> VolumeHeader:
    """Read the header of a NIfTI file, of one or of a pair.

    Raises:
        UnsuitableImage: no grey levels, or more sequences than MAX_SETS.
        UnreadableImage: cut off or damaged.
    """
    head = first_bytes(content)
    size = header_size(head)
    if len(head) < size:
        raise damaged(VolumeFormat.NIFTI)
    place, _, pair = NIFTI_MAGICS[size]
    is_pair = head[place : place + len(pair)] == pair
    kind: Any = _KINDS[size, is_pair]
    try:
        with np.errstate(all="ignore"):
            return _interpret(kind(head[:size]), is_pair, "deflate" if content.startswith(GZIP) else "")
    except DAMAGE as error:
        raise damaged(VolumeFormat.NIFTI) from error


def analyze_header(content: bytes) -> VolumeHeader:
    """Read the header of an Analyze pair; which way the axes go, it hardly says.

    Raises: as `nifti_header`.
    """
    head = first_bytes(content)[:_ANALYZE_BYTES]
    try:
        with np.errstate(all="ignore"):
            raw = AnalyzeHeader(head)
            shape, n_sets = axes(raw.get_data_shape(), VolumeFormat.ANALYZE)
            affine, knows_orientation = _analyze_affine(head[_ORIENT], raw, shape)
            offset = int(raw.get_data_offset())
            return VolumeHeader(
                VolumeFormat.ANALYZE,
                shape,
                n_sets,
                raw.get_data_dtype(),
                affine,
                knows_orientation,
                offset,
                is_detached=True,
            )
    except DAMAGE as error:
        raise damaged(VolumeFormat.ANALYZE) from error


def _interpret(raw: nibabel.Nifti1Header, is_pair: bool, compression: str) -> VolumeHeader:
    slope, intercept = raw.get_slope_inter()
    shape, n_sets = axes(raw.get_data_shape(), VolumeFormat.NIFTI)
    affine, knows_orientation = _affine(raw, shape)
    affine[:3] *= _MILLIMETRES.get(raw.get_xyzt_units()[0], 1.0)
    offset = int(raw.get_data_offset())
    if not is_pair and offset >= 0:
        # Voxels never lie in the header: some writers leave the offset at 0. Four bytes behind it tell of extensions.
        offset = max(offset, int(raw["sizeof_hdr"]) + 4)
    return VolumeHeader(
        VolumeFormat.NIFTI,
        shape,
        n_sets,
        raw.get_data_dtype(),
        affine,
        knows_orientation,
        offset,
        compression=compression,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        is_detached=is_pair,
    )


def _affine(raw: nibabel.Nifti1Header, shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], bool]:
    """Return the affine, RAS, and whether the file means it.

    An sform of zeros gives way to a valid qform. A unit matrix is what programs write that know nothing of the head.
    """
    affine = np.array(raw.get_best_affine(), np.float64)
    if not affine[:3, :3].any() and raw["qform_code"] > 0:
        affine = np.array(raw.get_qform(), np.float64)
    if (raw["qform_code"] > 0 or raw["sform_code"] > 0) and not np.array_equal(affine, np.eye(4)):
        return affine, True
    return assumed_affine(affine, shape), False


def _analyze_affine(orient: int, raw: AnalyzeHeader, shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], bool]:
    """Return the affine, RAS, and whether the file means it: 0, the usual one, is also what says nothing."""
    spacing = [*map(float, raw.get_zooms()), 1.0, 1.0][:3]
    if 0 < orient < len(_ANALYZE_AXES):
        return affine_of(_ANALYZE_AXES[orient], spacing), True
    return assumed_affine(affine_of(_ANALYZE_AXES[0], spacing), shape), False
