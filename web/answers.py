"""From what a network said to the API's results: one builder per kind of reading."""

from collections.abc import Sequence
from typing import Any

from model.card import ModelCard
from model.classifier import Prediction
from web.errors import said
from web.predicting import Answer, Refused


def as_result(result: Answer | Refused, card: ModelCard) -> dict[str, Any]:
    """Give a result of `classify` with the fields of its schema in web.schemas."""
    place = place_of([result.index], [result.sha256])
    if isinstance(result, Refused):
        return {**place, "error": {"code": result.refusal.code, "detail": said(result.refusal.detail)}}
    height, width = result.image.pixels.shape
    return {
        **place,
        "kind": "image",
        **model_of(card),
        **opinion_of(result.prediction),
        **conclusion_of(result.prediction),
        "format": result.image.format,
        "width_px": width,
        "height_px": height,
        "notes": [said(note) for note in result.image.notes],
        "seconds": round(result.seconds, 4),
    }


def place_of(files: Sequence[int], sha256s: Sequence[str]) -> dict[str, Any]:
    """Give the fields that tell which files a reading is of, by their places in the request and their hashes."""
    return {
        "index": files[0],
        "files": list(files),
        "input_sha256": sha256s[0] if len(sha256s) == 1 else None,
        "files_sha256": list(sha256s),
    }


def model_of(card: ModelCard) -> dict[str, str]:
    """Give the fields that tell which network answered."""
    return {"model": card.name, "model_version": card.version, "model_sha256": card.sha256}


def opinion_of(prediction: Prediction) -> dict[str, Any]:
    """Give the fields that a picture and each slice of a volume have; without numbers where it is no brain MRI."""
    known = prediction.is_brain_mri
    return {
        "answer": prediction.answer,
        "predicted_class": prediction.predicted_class if known else None,
        "probabilities": prediction.by_class() if known else None,
        "tumor_probability": prediction.tumor_probability if known else None,
    }


def conclusion_of(prediction: Prediction) -> dict[str, Any]:
    """Give the fields that a reading has once, whatever the number of its slices."""
    return {
        "reason": said(prediction.reason),
        "shows_tumor": bool(prediction.shows_tumor) if prediction.is_brain_mri else None,
    }
