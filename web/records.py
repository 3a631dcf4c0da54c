"""Results as records: what the API answers and what one takes away from the page, as JSON and as CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from model.answers.prediction import Prediction
from model.answers.volume import VolumeSummary
from model.card import DISCLAIMER, ModelCard
from web.answering import Answer, Opinion, Refused, Result, VolumeAnswer
from web.languages.languages import say

# The probabilities of both tasks have a column each, so that all rows of a list fit one table.
CSV_COLUMNS = (
    "number", "file", "kind", "slice", "first_slice", "last_slice", "answer", "predicted_class", "tumor_probability",
    "p_glioma", "p_meningioma", "p_no_tumor", "p_pituitary", "p_tumor", "second_model", "second_answer",
    "second_tumor_probability", "error", "notes", "format", "model", "model_version", "model_sha256", "picture_sha256",
    "date", "disclaimer",
)  # fmt: skip


def now() -> str:
    """Give the date and time, UTC, to the second, as ISO 8601 writes it."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def record_of(result: Result) -> dict[str, Any]:
    """Give the record of one result; sentences are in the language of the request."""
    source = result.source
    common = {
        "index": source.files[0],
        "files": list(source.files),
        "input_sha256": source.sha256[0] if len(source.sha256) == 1 else None,
        "files_sha256": list(source.sha256),
    }
    if isinstance(result, Refused):
        return {**common, "error": {"code": result.refusal.code, "detail": say(result.refusal.detail)}}
    parts = _of_volume(result) if isinstance(result, VolumeAnswer) else _of_image(result)
    return {**common, **_of_model(result.classifier.card), **parts, "seconds": round(result.seconds, 4)}


def _of_model(card: ModelCard) -> dict[str, Any]:
    return {"model": card.name, "model_version": card.version, "model_sha256": card.sha256}


def _of_image(result: Answer) -> dict[str, Any]:
    prediction = result.prediction
    height, width = result.image.pixels.shape
    return {
        "kind": "image",
        "answer": prediction.answer,
        "reason": say(prediction.reason),
        **_probabilities(prediction),
        **_of_second(result.second),
        "format": result.image.format,
        "notes": [say(note) for note in result.notes],
        "width_px": width,
        "height_px": height,
    }


def _of_volume(result: VolumeAnswer) -> dict[str, Any]:
    summary, volume = result.summary, result.volume
    return {
        "kind": "volume",
        "answer": summary.answer,
        "reason": say(summary.reason),
        **_probabilities(summary),
        **_of_second(result.second),
        "format": volume.format,
        "notes": [say(note) for note in result.notes],
        "plane": volume.plane or None,
        "n_slices": len(volume.slices),
        "n_classified": summary.n_classified,
        "n_brain_mri": summary.n_brain_mri,
        "key_slice": summary.key_slice,
        "first_slice": summary.first_slice,
        "last_slice": summary.last_slice,
        "slices": [
            {"slice_index": index, "answer": prediction.answer, **_probabilities(prediction)}
            for index, prediction in zip(summary.slice_indices, summary.slices, strict=True)
        ],
    }


def _probabilities(prediction: Prediction | VolumeSummary) -> dict[str, Any]:
    """Give class and probabilities; none of what is no brain MRI."""
    known = prediction.is_brain_mri
    return {
        "predicted_class": prediction.predicted_class if known else None,
        "probabilities": prediction.by_class() if known else None,
        "tumor_probability": prediction.tumor_probability if known else None,
        "shows_tumor": prediction.shows_tumor if known else None,
    }


def _of_second(second: Opinion | None) -> dict[str, Any]:
    if second is None:
        return {}
    card, prediction = second.classifier.card, second.prediction
    return {"second_opinion": {**_of_model(card), "answer": prediction.answer, **_probabilities(prediction)}}


def rows_of(record: dict[str, Any], number: int, date: str) -> list[dict[str, Any]]:
    """Give the rows of one record's table: one, and for a volume one more per classified slice.

    Slices are counted from 1 here, as on the page; the records count from 0.
    """
    second = record.get("second_opinion", {})
    common = {
        "number": number,
        "kind": record.get("kind", "refused"),
        "second_model": second.get("model", ""),
        "second_answer": second.get("answer", ""),
        "second_tumor_probability": _rounded(second.get("tumor_probability")),
        "error": record.get("error", {}).get("detail", ""),
        "notes": " ".join(record.get("notes", [])),
        "format": record.get("format", ""),
        "model": record.get("model", ""),
        "model_version": record.get("model_version", ""),
        "model_sha256": record.get("model_sha256", ""),
        "picture_sha256": " ".join(record["files_sha256"]),
        "date": date,
        "disclaimer": say(DISCLAIMER),
    }
    slices = [
        {**common, "kind": "slice", "second_model": "", "second_answer": "", "second_tumor_probability": "",
         "picture_sha256": "", "slice": row["slice_index"] + 1, **_cells(row)}
        for row in record.get("slices", [])
    ]  # fmt: skip
    return [{**common, **_places(record), **_cells(record)}, *slices]


def _places(record: dict[str, Any]) -> dict[str, Any]:
    if record.get("kind") != "volume":
        return {}
    names = {"slice": "key_slice", "first_slice": "first_slice", "last_slice": "last_slice"}
    return {column: record[name] + 1 for column, name in names.items()}


def _cells(record: dict[str, Any]) -> dict[str, Any]:
    probabilities = record.get("probabilities") or {}
    return {
        "answer": record.get("answer", ""),
        "predicted_class": record.get("predicted_class") or "",
        "tumor_probability": _rounded(record.get("tumor_probability")),
        **{f"p_{name}": _rounded(probability) for name, probability in probabilities.items()},
    }


def _rounded(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.4f}"


def csv_of(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows as CSV with a header line; the mark at its start tells spreadsheets that it is UTF-8."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.DictWriter(buffer, CSV_COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
