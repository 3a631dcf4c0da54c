"""`python -m benchmarks`: its arithmetic by hand, and the whole command on tiny networks. No test asserts a time."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("psutil", reason="requirements/bench.txt is not installed")

from benchmarks import timing
from benchmarks.engines.floor import operations_per_picture
from benchmarks.engines.precision import figures
from benchmarks.measured import size
from benchmarks.report import page
from benchmarks.report.stages import OTHER, WAITING, count, own_function_of, stage_of
from benchmarks.rows import BY_NAME, ROWS
from benchmarks.run import MODULES
from benchmarks.servers import serving
from benchmarks.servers.posting import multipart
from benchmarks.servers.processes import environment
from benchmarks.timing import Ratio, Sample
from model.answers.prediction import Prediction
from model.card import Decision
from model.network.keras_import import import_keras
from model.network.precision import AUTO, BFLOAT16, usable
from model.preprocessing import HeadBox
from tests.support.samples import TOP

SERVING = "Thread.run (threading.py:982)", "ThreadWorker.handle (gunicorn/workers/gthread.py:553)"


def rows_here() -> list[str]:
    """Return the names of the rows that this machine can measure."""
    absent = set() if serving.has_pytorch() else {"pytorch"}
    absent |= set() if usable(AUTO) == BFLOAT16 else {"reduced", "reduced-scan"}
    return [row.name for row in ROWS if row.name not in absent]


def run_benchmarks(*arguments: object) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        cwd=TOP, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


# Arithmetic


def test_ratio_is_of_the_medians_and_its_percentile_of_the_pairs() -> None:
    ratio = Ratio(Sample((2.0, 4.0, 90.0)), Sample((1.0, 2.0, 3.0)))
    assert ratio.value == 2.0
    # The pairs' ratios are 2, 2 and 30: 90 % of the way from the second to the third.
    assert ratio.p95 == pytest.approx(2 + 0.9 * 28)


def test_things_are_taken_in_turn_the_other_way_round_in_every_second_round() -> None:
    order: list[str] = []
    counter: Iterator[int] = iter(range(99))

    def taking(name: str) -> float:
        order.append(name)
        return float(next(counter))

    taken = timing.in_turn({name: lambda name=name: taking(name) for name in "ab"}, n_rounds=2, n_warm_up=1)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert taken == {"a": Sample((3.0, 4.0)), "b": Sample((2.0, 5.0))}


def test_operations_are_two_per_multiplication_of_convolutions_and_dense_layers() -> None:
    layers = import_keras().layers
    grey = layers.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same")(grey)  # 64 places x 9 x 1 x 4
    x = layers.DepthwiseConv2D(3, padding="same", strides=2)(x)  # 16 places x 9 x 4
    x = layers.SeparableConv2D(6, 3, padding="same")(x)  # 16 places x (9 x 4 + 4 x 6)
    x = layers.BatchNormalization()(x)
    network = import_keras().Model(grey, layers.Dense(3)(layers.Flatten()(x)))  # 16 x 6 x 3
    assert operations_per_picture(network) == 2 * (2304 + 576 + 960 + 288)


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("picture", 1.15, "aim"), ("picture", 1.25, "must"), ("picture", 1.26, "missed"),
        ("throughput", 0.95, "aim"), ("throughput", 0.85, "must"), ("throughput", 0.84, "missed"),
    ],
)  # fmt: skip
def test_value_is_judged_by_the_bounds_that_it_keeps(name: str, value: float, verdict: str) -> None:
    assert BY_NAME[name].verdict(value) == verdict


def test_every_row_is_measured_by_one_module() -> None:
    assert sorted(name for names in MODULES.values() for name in names) == sorted(BY_NAME)


def test_page_says_what_a_row_needs_that_was_not_measured(tmp_path: Path) -> None:
    results = json.loads((TOP / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    results["rows"]["rows"].pop("pytorch", None)
    page.write({"rows": results["rows"]}, tmp_path)
    written = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    row = BY_NAME["pytorch"]
    assert f"- {row.title}: not measured. It needs {row.needs}." in written


def test_gains_are_of_one_run_or_since_the_earlier_one(tmp_path: Path) -> None:
    results = json.loads((TOP / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    for row in results["engines"]["engines"]:
        row["one_picture_ms"]["median"] = {"OpenVINO, LATENCY": 40.0, "OpenVINO, LATENCY, bfloat16": 20.0}.get(
            row["engine"], 80.0
        )
    results["before"]["values"]["start"], results["rows"]["rows"]["start"]["value"] = 6.0, 2.0
    page.write({name: results[name] for name in ("rows", "engines", "before")}, tmp_path)
    text = (tmp_path / page.PAGE).read_text(encoding="utf-8").partition("## What each change gained")[2]
    for gain in ("OpenVINO, one image, ms | 80 | 40", "OpenVINO, one image, ms | 40 | 20", "start, s | 6 | 2"):
        assert gain in text


def test_server_is_started_as_a_user_would_with_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    given = environment({"PORT": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in given
    assert (given["LANG"], given["PORT"]) == ("C.UTF-8", "1")


def test_form_carries_fields_and_files_with_crlf_lines() -> None:
    body, headers = multipart([b"picture"], {"model": "vgg16"})
    boundary = headers["Content-Type"].split("boundary=")[1].encode()
    assert body.split(b"--" + boundary) == [
        b"",
        b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nvgg16\r\n',
        b'\r\nContent-Disposition: form-data; name="files"; filename="0"\r\n\r\npicture\r\n',
        b"--\r\n",
    ]


# What bfloat16 changes


def said(*probabilities: float) -> Prediction:
    return Prediction(
        class_names=("no_tumor", "tumor"), probabilities=np.array(probabilities, np.float32), distance=0.0,
        decision=Decision(uncertain_below=0.8), box=HeadBox(0, 1, 0, 1), feature_maps=np.zeros((1, 1, 2), np.float32),
    )  # fmt: skip


def test_class_that_changes_without_certainty_is_counted_and_a_certain_one_never_allowed() -> None:
    labels, right = np.zeros(1000, int), [said(1.0, 0.0)] * 999
    unsure = figures(labels, [*right, said(0.51, 0.49)], [*right, said(0.49, 0.51)])
    assert (unsure["n_changed_classes"], unsure["n_certain_turned"], unsure["holds"]) == (1, 0, True)
    turned = figures(labels, [*right, said(0.9, 0.1)], [*right, said(0.1, 0.9)])
    assert (turned["n_changed_classes"], turned["n_certain_turned"], turned["holds"]) == (1, 1, False)
    often = figures(labels[:100], [*right[:99], said(0.51, 0.49)], [*right[:99], said(0.49, 0.51)])
    assert not often["holds"]


# Installed size


def test_closure_holds_what_is_asked_for_and_what_that_requires(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        f"# Comment\njinja2=={size.importlib.metadata.version('jinja2')} \\\n    --hash=sha256:00\n"
        'colorama==0.4.6; sys_platform == "win32"\n'
    )
    expected = {"jinja2", "markupsafe"} | ({"colorama"} if sys.platform == "win32" else set())
    assert size.closure(tmp_path / "requirements.txt") == expected


def test_package_in_another_version_than_required_is_no_basis_for_its_size(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("jinja2==0.0.1\n")
    with pytest.raises(size.ChildError, match=r"Expected jinja2==0\.0\.1"):
        size.closure(tmp_path / "requirements.txt")


# Stages of the profile


@pytest.mark.parametrize(
    ("inner", "stage"),
    [
        (("Classifier.predict_inputs (model/network/classifier.py:171)", "Model.predict (keras/src/x.py:1)"), "engine"),
        (("Classifier.layers (model/network/classifier.py:203)", "_save (PIL/WebPImagePlugin.py:329)"), "heat map"),
        (
            (
                "layer_webp (model/evidence/drawing.py:1)",
                "_encoded (model/evidence/drawing.py:2)",
                "_save (PIL/x.py:3)",
            ),
            "heat map",
        ),
        (
            ("picture_webp (model/evidence/drawing.py:1)", "_encoded (model/evidence/drawing.py:2)"),
            "the image as WebP",
        ),
        (("preprocess (model/preprocessing.py:80)", "Image.resize (PIL/Image.py:2440)"), "preprocess"),
        (("read_picture (model/reading/raster.py:55)", "_amin (numpy/_core/_methods.py:45)"), "decode"),
        (("Template.render (jinja2/environment.py:1293)", "root (_result.html:92)"), "JSON, base64, templates"),
        (("Response.write (gunicorn/http/wsgi.py:475)", "write (gunicorn/util.py:348)"), "HTTP"),
        (("classify (web/answering.py:1)",), "other code of the app"),
    ],
)
def test_stack_belongs_to_the_stage_of_its_innermost_known_frame(inner: tuple[str, ...], stage: str) -> None:
    assert stage_of([*SERVING, *inner]) == stage


def test_thread_without_work_is_left_out_and_the_rest_is_added_up() -> None:
    waiting = "Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:81)"
    working = ";".join([*SERVING, "preprocess (model/preprocessing.py:80)", "Image.resize (PIL/Image.py:2440)"])
    assert stage_of(waiting.split(";")) == WAITING
    assert count([f"{waiting} 7", f"{working} 2", f"{working} 3"], stage_of) == {"preprocess": 5}
    assert count([f"{working} 2", "main (x.py:1) 1"], own_function_of) == {
        "preprocess (model/preprocessing.py)": 2, OTHER: 1,
    }  # fmt: skip


# The command


def test_unknown_row_is_refused_with_the_names_of_the_known_ones() -> None:
    run = run_benchmarks("--only", "nothing")
    assert run.returncode == 2
    assert all(row.name in run.stderr for row in ROWS)


def test_models_that_are_not_there_give_one_clear_line(tmp_path: Path) -> None:
    run = run_benchmarks("--only", "decoding", "--models", tmp_path, "--cache", tmp_path)
    assert run.returncode == 2
    assert "Expected a model card" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def quick(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run every command that writes, on tiny networks, into one folder."""
    folder = tmp_path_factory.mktemp("benchmarks")
    places = ("--out", folder / "results.json", "--docs", folder)
    for command in ((), ("engines",), ("growth",)):
        run = run_benchmarks(*command, "--quick", "--models", tiny_models, "--cache", folder / "cache", *places)
        assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.slow
def test_page_carries_every_row_with_its_bounds(quick: Path) -> None:
    page = (quick / "benchmarks.md").read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in reversed(page.splitlines()) if " | " in line}
    for row in (BY_NAME[name] for name in rows_here()):
        assert f"| {row.better} {row.must:g} | {row.aim:g} |" in lines[row.title]


@pytest.mark.slow
def test_results_hold_medians_percentiles_and_the_machine_without_its_name(quick: Path) -> None:
    results = json.loads((quick / "results.json").read_text(encoding="utf-8"))
    assert list(results) == ["rows", "engines", "growth"]
    assert list(results["rows"]["rows"]) == rows_here()
    for row in results["rows"]["rows"].values():
        assert row["value"] > 0
        assert row["p95"] > 0
    machine = results["rows"]["machine"]
    assert {"processor", "n_cores", "memory_gb", "packages", "python"} <= machine.keys()
    assert platform.node() not in json.dumps(machine)


@pytest.mark.slow
def test_engines_agree_with_the_network_as_it_was_trained(quick: Path) -> None:
    engines = json.loads((quick / "results.json").read_text(encoding="utf-8"))["engines"]["engines"]
    assert len(engines) > 5
    far = [row["engine"] for row in engines if row["largest_difference"] > 1e-4]
    assert far == [row["engine"] for row in engines if row["n_changed_classes"]] == []


@pytest.mark.slow
def test_plots_of_the_page_are_there(quick: Path) -> None:
    named = re.findall(r"\]\((\S+\.webp)\)", (quick / "benchmarks.md").read_text(encoding="utf-8"))
    assert named == ["benchmarks/rows.webp", "benchmarks/growth.webp"]
    assert all((quick / name).read_bytes()[8:12] == b"WEBP" for name in named)
