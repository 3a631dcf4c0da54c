"""`python -m model scan` handles each file of an archive exactly once, whatever is in it."""

import io
import os
import socket
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.scan.command import main
from model.scan.listing.inputs import Input, Shard
from model.scan.table.merging import merge
from model.scan.table.parts import PARTS, Parts
from tests.support.archives import ids_in_parts, rows_of, scan, write_slices
from tests.support.heads import dicom, nifti, series
from tests.support.samples import csv_rows

pytest.importorskip("pyarrow", reason="requirements/scan.txt is not installed")
CLASSES = ("glioma", "meningioma", "no_tumor", "pituitary")


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 36), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a tree of 1000 files, 5 % of them bad, with copies, odd names and circular links."""
    top = tmp_path_factory.mktemp("archive")
    files = write_slices(top / "studies", 940)
    bad = top / "bad"
    bad.mkdir()
    for i, file in enumerate(files[:20]):
        (bad / f"cut-{i}.png").write_bytes(file.read_bytes()[:300])
    for i in range(10):
        (bad / f"text-{i}.jpg").write_text("not an image")
        (bad / f"empty-{i}.dcm").touch()
    for i in range(8):
        (bad / f"to-nowhere-{i}.png").symlink_to("nothing.png")
    (bad / "to-itself.png").symlink_to("to-itself.png")
    os.mkfifo(bad / "pipe.png")
    odd = top / "odd"
    odd.mkdir()
    names = [b" ", b"\xff\xfe.png", b"a\nb.png", "Übung 脳.png".encode(), b"-rf", b"=1+1.png", b"%s{0}.png", b"x" * 250]
    for i, name in enumerate(names):
        (odd / os.fsdecode(name)).write_bytes(png(seed=1000 + i))
    (top / "copy.png").write_bytes(files[0].read_bytes())
    (top / "link.png").symlink_to(files[1])
    (top / "studies" / "round").symlink_to(top)
    (odd / "up").symlink_to("..")
    (top / ".hidden.png").write_bytes(png())
    return top


@pytest.fixture(scope="module")
def scanned(archive: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scanned") / "out"
    assert main([str(archive), "--out", str(out), "--models", str(tiny_models)]) == 1
    return out


def test_every_file_of_an_archive_gets_one_row_and_bad_ones_their_code(scanned: Path) -> None:
    rows = rows_of(scanned)
    assert len(rows) == len({row["id"] for row in rows}) == len({row["path"] for row in rows}) == 1000
    failed = Counter(row["error_code"] for row in rows if row["error_code"])
    assert failed == {"unreadable_image": 20, "unsupported_format": 10, "empty_file": 10, "unreadable_file": 10}
    assert all(row["error"] and not row["answer"] for row in rows if row["error_code"])
    good = [row for row in rows if not row["error_code"]]
    assert all(sum(row[f"p_{name}"] for name in CLASSES) == pytest.approx(1, abs=1e-4) for row in good)


def test_names_that_are_no_text_are_shown_and_read(scanned: Path) -> None:
    rows = {Path(row["path"]).name: row for row in rows_of(scanned)}
    assert rows[r"\xff\xfe.png"]["answer"] in CLASSES
    assert rows["a\nb.png"]["answer"] in CLASSES


def test_copies_are_rows_of_their_own_with_one_sha256(scanned: Path) -> None:
    rows = {Path(row["path"]).name: row for row in rows_of(scanned)}
    assert rows["copy.png"]["sha256"] == rows["0000.png"]["sha256"]
    assert rows["link.png"]["sha256"] == rows["0001.png"]["sha256"]
    assert rows["copy.png"]["p_glioma"] == rows["0000.png"]["p_glioma"]


def test_summary_adds_up_and_the_report_opens_alone(scanned: Path) -> None:
    import json

    summary = json.loads((scanned / "summary.json").read_text())
    rows = rows_of(scanned)
    assert summary["n_rows"] == 1000
    assert sum(summary["by_answer"].values()) + summary["n_failed"] == 1000
    assert sum(summary["by_error"].values()) == summary["n_failed"] == 50
    assert sum(summary["tumor_probabilities"]) == sum(row["tumor_probability"] is not None for row in rows)
    assert summary["n_contents"] == len({row["sha256"] for row in rows} - {""})
    page = (scanned / "report.html").read_text()
    assert "1,000 files" in page
    assert "unreadable_image" in page
    assert not any(word in page for word in ("<script", "src=", "href=", "http:", "https:"))


def test_spreadsheet_has_the_rows_of_the_table(scanned: Path) -> None:
    import csv

    with (scanned / "results.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["id"], line["answer"]) for line in lines] == [(r["id"], r["answer"]) for r in rows_of(scanned)]


def test_nothing_but_the_results_is_left_in_the_folder(scanned: Path) -> None:
    left = {path.name for path in scanned.iterdir()}
    assert left == {
        ".shard-00000-of-00001.lock", "finished", "parts", "report.html", "results.csv", "results.parquet",
        "scan.json", "summary.json",
    }  # fmt: skip


# Kinds of inputs


def test_volume_is_one_row_and_so_is_a_dicom_series(tmp_path: Path, tiny_models: Path) -> None:
    study, out = tmp_path / "study", tmp_path / "out"
    study.mkdir()
    (study / "head.nii.gz").write_bytes(nifti(compressed=True))
    for i, content in enumerate(series()[8:12]):
        (study / f"IM{i}").write_bytes(content)
    (study / "frames").write_bytes(dicom(np.random.default_rng(0).integers(0, 900, (5, 40, 30), np.int16)))
    assert main([str(study), "--out", str(out), "--models", str(tiny_models)]) == 0
    rows = [(Path(row["path"]).name, row["kind"], row["n_slices"]) for row in rows_of(out)]
    assert rows == [
        ("IM0", "volume", 4), ("frames", "volume", 5), ("head.nii.gz", "volume", 22),
    ]  # fmt: skip
    assert [row["n_files"] for row in rows_of(out)] == [4, 1, 1]


def test_zip_file_is_read_file_by_file_and_a_damaged_one_is_a_row(tmp_path: Path, tiny_models: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    with zipfile.ZipFile(source / "good.zip", "w") as archive:
        archive.writestr("a/one.png", png(1))
        archive.writestr("__MACOSX/a/._one.png", b"x")
        archive.writestr("notes.txt", "not an image")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/one.png", png(2))
    (source / "cut.zip").write_bytes((source / "good.zip").read_bytes()[:-30])
    (source / "other.bin").write_bytes((source / "good.zip").read_bytes())
    assert main([str(source), "--out", str(out), "--models", str(tiny_models)]) == 1
    rows = {row["path"].removeprefix(f"{source}/"): row for row in rows_of(out)}
    assert {path: row["error_code"] for path, row in rows.items()} == {
        "cut.zip": "unreadable_image", "good.zip!/a/one.png": "", "good.zip!/a/one.png#2": "",
        "good.zip!/notes.txt": "unsupported_format", "other.bin": "unsupported_format",
    }  # fmt: skip
    assert rows["good.zip!/a/one.png"]["sha256"] != rows["good.zip!/a/one.png#2"]["sha256"]


def test_sources_that_name_a_file_twice_give_it_one_row(tmp_path: Path, tiny_models: Path) -> None:
    first, second, _ = write_slices(tmp_path / "in", 3)
    out = tmp_path / "out"
    sources = [str(first), str(tmp_path / "in"), str(tmp_path / "in" / "00" / "*1.png"), f"file://{second}"]
    assert main([*sources, "--out", str(out), "--models", str(tiny_models)]) == 0
    assert len(ids_in_parts(out)) == len(set(ids_in_parts(out))) == 3


def test_output_within_the_source_is_not_scanned(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path, 2)
    for resume in ([], ["--resume"]):
        assert main([str(tmp_path), "--out", str(tmp_path / "out"), "--models", str(tiny_models), *resume]) == 0
    assert len(rows_of(tmp_path / "out")) == 2


def test_probabilities_are_those_of_the_command_for_single_files(
    scanned: Path, archive: Path, tiny_models: Path
) -> None:
    from model.network.classifier import Classifier
    from model.reading.one_file import read_image

    classifier = Classifier.load(tiny_models / "xception.json")
    file = archive / "studies" / "03" / "0321.png"
    (row,) = [row for row in rows_of(scanned) if row["path"] == str(file)]
    expected = classifier.predict([read_image(file)])[0].by_class()
    assert {name: row[f"p_{name}"] for name in CLASSES} == pytest.approx(expected, abs=1e-6)


# Shards


def test_input_belongs_to_exactly_one_shard_of_any_number() -> None:
    ids = [Input(f"/archive/{i}.png").id for i in range(2000)]
    for n in (1, 2, 7):
        shares = [sum(Shard(i, n).has(one) for one in ids) for i in range(n)]
        assert sum(shares) == 2000
        assert min(shares) > 0.8 * 2000 / n
        assert all(sum(Shard(i, n).has(one) for i in range(n)) == 1 for one in ids)


@pytest.mark.slow
@pytest.mark.parametrize("n_shards", [2, 7])
def test_shards_merge_to_the_table_of_a_single_job(
    archive: Path, scanned: Path, tiny_models: Path, tmp_path: Path, n_shards: int
) -> None:
    codes = [
        main([str(archive), "--out", str(tmp_path), "--shard", f"{i}/{n_shards}", "--models", str(tiny_models)])
        for i in range(n_shards)
    ]
    assert set(codes) <= {0, 1}
    assert (tmp_path / "results.csv").read_bytes() == (scanned / "results.csv").read_bytes()
    assert (tmp_path / "results.parquet").read_bytes() == (scanned / "results.parquet").read_bytes()


def test_table_is_merged_by_the_last_shard_alone(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 12)
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(tiny_models)]
    assert main([*arguments, "--shard", "1/2"]) == 0
    assert not (tmp_path / "out" / "results.csv").exists()
    assert main([*arguments, "--shard", "0/2"]) == 0
    assert len(rows_of(tmp_path / "out")) == 12


def test_output_and_source_may_have_names_that_are_not_utf8(tmp_path: Path, tiny_models: Path) -> None:
    source, out = (Path(os.fsdecode(os.fsencode(tmp_path) + name)) for name in (b"/\xe4", b"/\xf6"))
    write_slices(source, 1)
    for resumed in ([], ["--resume"]):
        assert main([str(source), "--out", str(out), "--models", str(tiny_models), *resumed]) == 0
    assert [Path(row["path"]).parts[-3] for row in csv_rows(out / "results.csv")] == [r"\xe4"]
    assert r"\xe4" in (out / "report.html").read_text()


@pytest.mark.parametrize("text", ["2/2", "-1/2", "1", "a/b", "0/0"])
def test_impossible_shard_is_refused_with_exit_code_2(text: str, tmp_path: Path, tiny_models: Path) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path), f"--shard={text}", "--models", str(tiny_models)]) == 2


# Refused at the start


def test_missing_source_and_empty_folder_give_exit_code_2(
    tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--models", str(tiny_models)]
    assert main([str(tmp_path / "nowhere"), *arguments]) == 2
    assert "Nothing found at" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), *arguments]) == 2


def test_missing_package_is_named_with_what_installs_it(tmp_path: Path, tiny_models: Path) -> None:
    blocked = tmp_path / "blocked"
    (blocked / "pyarrow").mkdir(parents=True)
    (blocked / "pyarrow" / "__init__.py").write_text("raise ImportError('blocked')")
    done = scan(tmp_path, "--out", tmp_path / "out", models=tiny_models, PYTHONPATH=str(blocked))
    assert done.returncode == 2
    assert "pip install -r requirements/scan.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_cannot_be_a_folder_gives_exit_code_2(tmp_path: Path, tiny_models: Path) -> None:
    write_slices(tmp_path / "in", 1)
    (tmp_path / "out").write_text("a file")
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(tiny_models)]) == 2


def test_socket_is_a_row_that_failed(tmp_path: Path, tiny_models: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        assert main([str(tmp_path), "--out", str(tmp_path / "out"), "--models", str(tiny_models)]) == 1
    assert [row["error_code"] for row in rows_of(tmp_path / "out")] == ["unreadable_file"]


def test_memory_for_the_table_does_not_grow_with_its_rows(tmp_path: Path) -> None:
    (tmp_path / PARTS).mkdir()
    parts = Parts(tmp_path, Shard(0, 1), ("no_tumor", "tumor"))
    row = {"sha256": "0" * 64, "size_bytes": 1, "n_slices": 1, "answer": "tumor", "tumor_probability": 0.9,
           "unit_files": 1, "reason": "", "error_code": "", "notes": "x" * 100}  # fmt: skip
    for start in range(0, 20_000, 5000):
        parts.add([row | {"id": f"{i:032x}", "path": f"/{i:06}"} for i in range(start, start + 5000)])
    tracemalloc.start()
    try:
        assert merge(tmp_path, ("no_tumor", "tumor")).n_rows == 20_000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20_000 * 500
