"""Rows and tables: the slice of a row, and cells that a spreadsheet could execute."""

import csv
import io
from collections.abc import Sequence

import pytest

from model.answering import AnsweredVolume, answers
from model.network.classifier import Classifier
from model.reading.many_files import read_files
from model.records import PAGE_COLUMNS, Column, command_columns, page_rows, record_of, scan_columns, write_csv
from tests.support.heads import nifti

COLUMNS = [Column("text", "string", ""), Column("share", "float64", "")]


def table_of(*rows: dict[str, object], columns: Sequence[Column] = COLUMNS) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    write_csv(file, columns, rows)
    return list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(begins: str) -> None:
    assert table_of({"text": f"{begins}1+1"}) == [{"text": f"'{begins}1+1", "share": ""}]


def test_numbers_and_other_texts_stay_as_they_are() -> None:
    assert table_of({"text": "1=1", "share": -1.0}) == [{"text": "1=1", "share": "-1.000000"}]


def test_text_with_commas_quotes_and_lines_is_one_cell() -> None:
    assert table_of({"text": 'a,"b"\r\nc'})[0]["text"] == 'a,"b"\r\nc'


@pytest.fixture(scope="module")
def result(classifiers: dict[str, Classifier]) -> AnsweredVolume:
    *_, last = answers(read_files([nifti()]), classifiers["xception"])
    assert isinstance(last, AnsweredVolume)
    return last


def test_rows_and_records_count_slices_from_1(result: AnsweredVolume) -> None:
    record = record_of(result, ["0" * 64])
    volume, *slices = page_rows(result, ["0" * 64], 1, "", str)
    assert result.answer.slice_indices[0] > 0
    assert [row["slice_index"] for row in record["slices"]] == [index + 1 for index in result.answer.slice_indices]
    assert [row["slice"] for row in slices] == [index + 1 for index in result.answer.slice_indices]
    for column, field in (("slice", "key_slice"), ("first_slice", "first_slice"), ("last_slice", "last_slice")):
        assert volume[column] == record[field] == getattr(result.answer, field) + 1


def test_note_on_too_few_pixels_is_in_rows_and_records(result: AnsweredVolume) -> None:
    assert "too coarse" in page_rows(result, ["0" * 64], 1, "", str)[0]["notes"]
    assert "too coarse" in " ".join(record_of(result, ["0" * 64])["notes"])


def test_every_cell_of_a_row_has_a_column(result: AnsweredVolume) -> None:
    for row in page_rows(result, ["0" * 64], 1, "", str):
        assert set(row) <= {column.name for column in PAGE_COLUMNS}


def test_tables_share_the_columns_of_an_answer() -> None:
    page, command, scan = (
        [column.name for column in columns]
        for columns in (PAGE_COLUMNS, command_columns(("no_tumor", "tumor")), scan_columns(("no_tumor", "tumor")))
    )
    assert scan == ["id", "path", "size_bytes", "version", "unit", "unit_version", "unit_files", *command[1:]]
    assert [name for name in page if name in command] == command[1:]
