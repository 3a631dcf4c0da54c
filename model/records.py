"""Results as records and as rows: the one list of columns behind every table, and the API's fields.

A record is what the API answers, nested; a row is flat. Both count slices from 1, as viewers do.
Sentences are said by `say`, in the language of whoever asked.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from model.answering import AnsweredVolume, Opinion, Refused, Result
from model.answers.certainty import Answer
from model.answers.headline import headline
from model.answers.volume import VolumeSummary
from model.card import CLASS_NAMES, DISCLAIMER, ModelCard
from model.reading.contents import MriImage, MriVolume, Reading
from model.reading.sizes import coarse_note
from model.safe_files import in_utf8
from model.sentences import Sentence

Row = dict[str, Any]
Say = Callable[[str], str]
# Decimals of a probability in a table: more than two machines agree on.
_DIGITS = 6
_PROBABILITY = re.compile(r"^(\d)\.(\d{6})$")
# A spreadsheet runs a cell that begins so as a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")


@dataclass(frozen=True)
class Column:
    """A column of a table; kind: its type as Arrow names it."""

    name: str
    kind: str
    meaning: str


_PATH = Column("path", "string", "Path or address; of several files that of the first")
_OF_ANY_MODEL = (
    Column(
        "member", "int32", "place of the file in the zip file's directory, from 1, of several the first; else empty"
    ),
    Column("sha256", "string", "SHA-256 of the file's bytes, in a zip file unpacked; of several one after the other"),
    Column("kind", "string", "image, volume, slice (a row of a volume's slice, on the page alone) or refused"),
    Column("format", "string", "format that the content showed"),
    Column("n_files", "int32", "files that were read together"),
    Column("n_slices", "int32", "slices of the volume; 1 for an image"),
    Column("slice", "int32", "slice to look at, from 1; empty for an image"),
    Column("first_slice", "int32", "first slice that the answer rests on, from 1"),
    Column("last_slice", "int32", "last slice that the answer rests on, from 1"),
    Column("answer", "string", "a class, uncertain or not_a_brain_mri; empty where refused"),
    Column("headline", "string", "what is said of both questions, by both models where two were asked"),
    Column("predicted_class", "string", "class of the highest probability"),
    Column("tumor_probability", "float64", "probability of any tumor"),
    Column("reason", "string", "why the answer is not a class"),
    Column("notes", "string", "what was done to the image that its sender should know"),
    Column("error_code", "string", "stable code of a refusal; empty where there is an answer"),
    Column("error", "string", "what was expected, what was received and what to do"),
    Column("model", "string", "name of the model"),
    Column("model_version", "string", "its version"),
    Column("model_sha256", "string", "SHA-256 of its weights"),
)


def _of_answers(class_names: Sequence[str]) -> list[Column]:
    probabilities = [Column(f"p_{name}", "float64", f"probability of {name}") for name in class_names]
    place = [column.name for column in _OF_ANY_MODEL].index("predicted_class") + 1
    return [*_OF_ANY_MODEL[:place], *probabilities, *_OF_ANY_MODEL[place:]]


def command_columns(class_names: Sequence[str]) -> list[Column]:
    """Return the columns of `python -m model`."""
    return [_PATH, *_of_answers(class_names)]


def scan_columns(class_names: Sequence[str]) -> list[Column]:
    """Return the columns of a scan's table."""
    return [
        Column("id", "string", "32 hexadecimal digits that depend on the path alone; of each stack of a file another"),
        _PATH,
        Column("size_bytes", "int64", "size, of several files together; -1 where unknown"),
        Column("version", "string", "changes with the first file: time of the last change, ETag or checksum"),
        Column("unit", "string", "same for rows of files that were read together"),
        Column("unit_version", "string", "changes with any of these files"),
        Column("unit_files", "int32", "on the first row of a unit the number of its files, 0 on the others"),
        *_of_answers(class_names),
    ]


# The probabilities of both tasks have a column each, so that all rows of a list fit one table.
PAGE_COLUMNS = [
    Column("number", "int32", "number of the result on the page"),
    Column("file", "string", "name of the file, which only the browser knows"),
    *_of_answers(sorted({name for names in CLASS_NAMES.values() for name in names})),
    Column("second_model", "string", "name of the model of the second opinion"),
    Column("second_answer", "string", "its answer"),
    Column("second_tumor_probability", "float64", "its probability of any tumor"),
    Column("true_diagnosis", "string", "class that the user marked on the page as true"),
    Column("date", "string", "date and time of the answer, UTC"),
    Column("disclaimer", "string", "what the answer is not for"),
]


# Cells


def source_cells(source: Reading | Result, sha256: Sequence[str]) -> Row:
    """Return which files a row describes; sha256: of all files that were given. Of a zip file, its files count."""
    hashes = [m.sha256 for m in source.members] or [sha256[i] for i in source.files]
    member = source.members[0].place + 1 if source.members else None
    return {"n_files": len(hashes), "member": member, "sha256": " ".join(hashes)}


def read_cells(content: MriImage | MriVolume, say: Say = str) -> Row:
    """Return a row's cells about what was read."""
    is_volume = isinstance(content, MriVolume)
    return {
        "kind": "volume" if is_volume else "image",
        "format": content.format,
        "n_slices": len(content.slices) if isinstance(content, MriVolume) else 1,
        "notes": " ".join(say(note) for note in notes_of(content)),
    }


def answer_cells(answer: Answer, say: Say = str, second: Answer | None = None) -> Row:
    """Return a row's cells about an answer, and why it is not a class; second: of a second model, if any."""
    return {**_said_cells(answer), "headline": say(headline(answer, second).text), "reason": say(answer.reason)}


def _said_cells(answer: Answer) -> Row:
    """Return the answer's cells: no class and no probability if it is not a brain MRI."""
    row: Row = {"answer": answer.answer}
    if isinstance(answer, VolumeSummary):
        row |= _slice_numbers(answer, "slice")
    if not answer.is_brain_mri:
        return row
    probabilities = {f"p_{name}": round(p, _DIGITS) for name, p in answer.by_class().items()}
    tumor_probability = round(answer.tumor_probability, _DIGITS)
    return row | {"predicted_class": answer.predicted_class, "tumor_probability": tumor_probability, **probabilities}


def refused_cells(code: str, sentence: str) -> Row:
    """Return a row's cells about a refusal."""
    return {"kind": "refused", "error_code": code, "error": sentence}


def model_cells(card: ModelCard) -> Row:
    """Return which model a row or record comes from."""
    return {"model": card.name, "model_version": card.version, "model_sha256": card.sha256}


def notes_of(content: MriImage | MriVolume) -> tuple[Sentence, ...]:
    """Return the warnings about an image or volume."""
    height, width = content.slices.shape[1:] if isinstance(content, MriVolume) else content.pixels.shape
    return (*content.notes, *coarse_note(height, width))


# Rows


def row_of(result: Result, sha256: Sequence[str], say: Say = str) -> Row:
    """Return the row of a result; sha256: of all files that were given."""
    row = source_cells(result, sha256)
    if isinstance(result, Refused):
        return row | refused_cells(result.error.code, say(result.error.sentence))
    said = answer_cells(result.answer, say, result.second.answer if result.second else None)
    return row | read_cells(result.content, say) | said | model_cells(result.card)


def page_rows(result: Result, sha256: Sequence[str], number: int, date: str, say: Say) -> list[Row]:
    """Return the rows of a result on the page: one, and for a volume one more per classified slice."""
    common = {"number": number, "date": date, "disclaimer": say(DISCLAIMER)}
    first = common | row_of(result, sha256, say)
    if isinstance(result, Refused):
        return [first]
    rows = [first | _second_cells(result.second)]
    if isinstance(result, AnsweredVolume):
        of_all = common | {name: first[name] for name in ("format", *model_cells(result.card))}
        rows += [
            of_all | {"kind": "slice", "slice": index + 1} | _said_cells(said)
            for index, said in zip(result.answer.slice_indices, result.answer.slices, strict=True)
        ]
    return [
        {name: written(value) if isinstance(value, float) else value for name, value in row.items()} for row in rows
    ]


def _second_cells(second: Opinion | None) -> Row:
    if second is None:
        return {}
    said = _said_cells(second.answer)
    return {
        "second_model": second.card.name,
        "second_answer": said["answer"],
        "second_tumor_probability": said.get("tumor_probability"),
    }


# CSV


def written(value: object) -> str:
    """Return a cell as text: probabilities with six decimals, nothing for what is missing."""
    return "" if value is None else f"{value:.{_DIGITS}f}" if isinstance(value, float) else str(value)


def write_csv(
    file: TextIO, columns: Iterable[Column], rows: Iterable[Row], separator: str = ",", decimal: str = "."
) -> None:
    """Write a table with a header line; a text that a spreadsheet would run as a formula begins with an apostrophe.

    A name that is no UTF-8 is `in_utf8`. separator, decimal: a French Excel takes a semicolon and a comma.
    """
    names = [column.name for column in columns]
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(names)
    writer.writerows([_PROBABILITY.sub(rf"\1{decimal}\2", _safe(row.get(name))) for name in names] for row in rows)


def _safe(value: object) -> str:
    text = in_utf8(written(value))
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) else text


# Records


def record_of(result: Result, sha256: Sequence[str], say: Say = str) -> dict[str, Any]:
    """Return the record of a result; sha256: of all files that were given."""
    hashes = [sha256[i] for i in result.files]
    common = {
        "index": result.files[0],
        "files": list(result.files),
        "input_sha256": _only([m.sha256 for m in result.members] or hashes),
        "files_sha256": hashes,
        **({"members": [{"index": m.place, "sha256": m.sha256} for m in result.members]} if result.members else {}),
    }
    if isinstance(result, Refused):
        return {**common, "error": {"code": result.error.code, "detail": say(result.error.sentence)}}
    second = result.second
    return {
        **common,
        **model_cells(result.card),
        **_said(result.answer),
        "headline": say(headline(result.answer, second.answer if second else None).text),
        "reason": say(result.answer.reason),
        **({"second_opinion": {**model_cells(second.card), **_said(second.answer)}} if second else {}),
        "format": result.content.format,
        "notes": [say(note) for note in notes_of(result.content)],
        **(_of_volume(result) if isinstance(result, AnsweredVolume) else _of_image(result.content)),
        "seconds": round(result.seconds, 4),
    }


def _only(hashes: Sequence[str]) -> str | None:
    return hashes[0] if len(hashes) == 1 else None


def _of_image(image: MriImage) -> dict[str, Any]:
    height, width = image.pixels.shape
    return {"kind": "image", "width_px": width, "height_px": height}


def _of_volume(result: AnsweredVolume) -> dict[str, Any]:
    summary, volume = result.answer, result.content
    return {
        "kind": "volume",
        "plane": volume.plane or None,
        "n_slices": len(volume.slices),
        "n_classified": summary.n_classified,
        "n_brain_mri": summary.n_brain_mri,
        **_slice_numbers(summary, "key_slice"),
        "slices": [
            {"slice_index": index + 1, **_said(said)}
            for index, said in zip(summary.slice_indices, summary.slices, strict=True)
        ],
    }


def _slice_numbers(summary: VolumeSummary, key: str) -> dict[str, int]:
    """Return which slices the answer rests on, counted from 1; key: the name of the one to look at."""
    places = {key: summary.key_slice, "first_slice": summary.first_slice, "last_slice": summary.last_slice}
    return {name: index + 1 for name, index in places.items()}


def _said(answer: Answer) -> dict[str, Any]:
    known = answer.is_brain_mri
    return {
        "answer": answer.answer,
        "predicted_class": answer.predicted_class if known else None,
        "probabilities": answer.by_class() if known else None,
        "tumor_probability": answer.tumor_probability if known else None,
        "shows_tumor": answer.shows_tumor if known else None,
    }
