"""Example answers for the API's documentation, of no published model in particular."""

from typing import Any

from model.card import DISCLAIMER

_FILE = "a99b7a1c0a8281a6bc844d3cb7a3581458fb37fd5b7af7279c5e201e89f03c60"
_OTHER_FILE = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
_WEIGHTS = "271455e3a66fb8d15578409e2ec05548d9e0488a5aef184c91fc42ffac1125e0"
_OPINION: dict[str, Any] = {
    "answer": "glioma",
    "predicted_class": "glioma",
    "probabilities": {"glioma": 0.9957, "meningioma": 0.0030, "no_tumor": 0.0007, "pituitary": 0.0006},
    "tumor_probability": 0.9993,
    "shows_tumor": True,
}
_READING: dict[str, Any] = {
    "model": "xception",
    "model_version": "1.0.0",
    "model_sha256": _WEIGHTS,
    **_OPINION,
    "headline": "Tumor likely: glioma (over 99%).",
    "reason": "",
    "notes": [],
    "seconds": 0.126,
}
# As every volume is answered until its model was measured on volumes.
_UNJUDGED: dict[str, Any] = {
    "answer": "uncertain",
    "headline": "Unclear: it was not measured how often this model calls a healthy volume a tumor. See the chart.",
    "reason": "It was not shown that this model calls fewer than one in ten healthy volumes a tumor, so it gives "
    "no answer on volumes. Look at the slices with the highest probability. A specialist must look.",
}
_IMAGE: dict[str, Any] = {
    "index": 0,
    "files": [0],
    "input_sha256": _FILE,
    "files_sha256": [_FILE],
    "kind": "image",
    **_READING,
    "format": "JPEG",
    "width_px": 512,
    "height_px": 512,
}
_VOLUME: dict[str, Any] = {
    "index": 0,
    "files": [0, 1],
    "input_sha256": None,
    "files_sha256": [_FILE, _OTHER_FILE],
    "kind": "volume",
    **_READING,
    **_UNJUDGED,
    "format": "DICOM",
    "plane": "axial",
    "n_slices": 2,
    "n_classified": 1,
    "n_brain_mri": 1,
    "key_slice": 2,
    "first_slice": 2,
    "last_slice": 2,
    "slices": [{"slice_index": 2, **_OPINION}],
}
_REFUSED: dict[str, Any] = {
    "index": 1,
    "files": [1],
    "input_sha256": _OTHER_FILE,
    "files_sha256": [_OTHER_FILE],
    "error": {
        "code": "unsupported_format",
        "detail": "This is a text or a table, which is not read here. Send the image itself.",
    },
}


def _answer(*results: dict[str, Any]) -> dict[str, Any]:
    return {"results": list(results), "date": "2026-11-21T13:03:31+00:00", "disclaimer": str(DISCLAIMER)}


PREDICTIONS = {"an image and a file that is not one": _answer(_IMAGE, _REFUSED), "a volume": _answer(_VOLUME)}
