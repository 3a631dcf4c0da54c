"""Write what was measured as a page of Markdown with its plots."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import plots
from benchmarks.rows import BY_NAME, CHANNELS_LAST, LATENCY, NOT_MEASURED, REDUCED, ROWS

PAGE = "benchmarks.md"
# Folder of the plots, next to the page.
FOLDER = "benchmarks"
_VERDICTS = {"aim": "goal met", "must": "limit met", "missed": "**limit missed**"}


def write(results: dict[str, Any], folder: Path) -> None:
    """Write the page, and the plots of what was measured, into a folder."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    lines = [
        "# Benchmarks",
        "",
        "Speed, memory and size of the served networks. Made by `python -m benchmarks` from `benchmarks/results.json`.",
    ]
    for name, section in _SECTIONS.items():
        if name in results:
            lines += ["", *section(results[name], folder / FOLDER)]
    if results.keys() >= {"before", "rows", "engines"}:
        lines += ["", *_gains(results)]
    (folder / PAGE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rows(measured: dict[str, Any], folder: Path) -> list[str]:
    plots.bounds(measured["rows"], folder / "rows.webp")
    rows = list(measured["rows"].values())
    return [
        "## Against the limits", "",
        "Limits and goals were set before measuring. A figure in × is a ratio of two medians: both sides were "
        "measured in turn, in one loop. \"The network alone\" is the engine without HTTP, reading and drawing.", "",
        *_conditions(measured), "", *rows_table(rows), "",
        *_not_measured(measured["rows"]), _picture("rows.webp", "Each figure as a share of its limit"), "",
        *_missed([name for name, row in measured["rows"].items() if row["verdict"] == "missed"]),
        "### The figures behind each row", "", *_samples_table(rows), "",
        "### How each row was measured", "", *(f"- {row['title']}: {' '.join(row['notes'])}" for row in rows),
    ]  # fmt: skip


def _not_measured(found: Container[str]) -> list[str]:
    absent = [row for row in ROWS if row.needs and row.name not in found]
    lines = [f"- {row.title}: {NOT_MEASURED.format(row.needs)}" for row in absent]
    return [*lines, ""] if lines else []


def _engines(measured: dict[str, Any], _: Path) -> list[str]:
    return [
        "## Engines", "",
        f"Made by `python -m benchmarks engines`: {measured['n_pictures']} images, one per pass and in batches of "
        f"{measured['batch_size']}. Differences are from the answers of Keras on TensorFlow.", "",
        *_conditions(measured), "", *engines_table(measured),
    ]  # fmt: skip


def _precision(measured: dict[str, Any], _: Path) -> list[str]:
    return [
        "## Reduced precision", "",
        "Made by `python -m benchmarks precision`: answers in bfloat16 against those in float32. Limits: 0.5 % of the "
        "classes may change, no certain answer may turn into another class, and the "
        "calibration error stays within 0.03, or grows by 0.001 at most where it is larger in float32.",
        "", *_conditions(measured), "", *precision_table(measured),
    ]  # fmt: skip


def _gains(results: dict[str, Any]) -> list[str]:
    """Return what each change gained: within one run of the engines, or since the earlier run that "before" holds."""
    times = {row["engine"]: row["one_picture_ms"]["median"] for row in results["engines"]["engines"]}
    saved, turned, reduced = (times[f"OpenVINO, {name}"] for name in (CHANNELS_LAST, LATENCY, REDUCED))
    before, rows = results["before"], results["rows"]["rows"]
    training = rows["pipeline"]["samples"]
    gained = [
        ("convolutions with their channels first", "OpenVINO, one image, ms", saved, turned),
        ("bfloat16, where asked for", "OpenVINO, one image, ms", turned, reduced),
        ("mixed_bfloat16 in training", "network, images/s",
         *(training[f"{name}, images/s"]["median"] for name in ("float32", "mixed_bfloat16"))),
        *((change, f"{figure}, {rows[name]['unit']}", before["values"][name], rows[name]["value"])
          for change, figure, name in _SINCE),
    ]  # fmt: skip
    return [
        "## What each change gained", "",
        "The first three rows are from one run each. The others compare with an earlier run: "
        f"{before['date']}, {before['processor']}, {', '.join(before['networks'])}.", "",
        *table(("change", "figure", "before", "after"),
               [(change, figure, _number(old), _number(new)) for change, figure, old, new in gained]),
    ]  # fmt: skip


def _growth(measured: dict[str, Any], folder: Path) -> list[str]:
    plots.growth(measured, folder / "growth.webp")
    return [
        "## Growth", "", "What more images, clients, pixels or slices cost. Made by `python -m benchmarks growth`.", "",
        *_conditions(measured), "",
        _picture("growth.webp", "Time against images in a request, clients, side of the image and slices"), "",
        *growth_tables(measured),
    ]  # fmt: skip


def _missed(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    reasons = [f"- {BY_NAME[name].title}: {_WHY_MISSED.get(name, 'we do not know why.')}" for name in names]
    return ["### Why limits are missed", "", *reasons, ""]


def _profile(measured: dict[str, Any], _: Path) -> list[str]:
    return [
        "## Where the time goes", "",
        f"Made by `python -m benchmarks profile`: one client sends one JPEG after another for {measured['seconds']} s "
        "and asks for heat maps. The sampler py-spy watches the worker and the processes that read files. Waiting "
        "threads do not count.", "",
        *_conditions(measured), "", *profile_tables(measured),
    ]  # fmt: skip


def rows_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table of the limits."""
    return table(
        ("what", "median", "95th percentile", "limit", "goal", ""),
        [(r["title"], f"{_number(r['value'])} {r['unit']}", f"{_number(r['p95'])} {r['unit']}",
          f"{r['better']} {r['must']:g}", f"{r['aim']:g}", _VERDICTS[r["verdict"]]) for r in rows],
    )  # fmt: skip


def engines_table(measured: dict[str, Any]) -> list[str]:
    """Return the table of the engines."""
    head = (
        *("engine", "one image, ms", "95th percentile", "images/s in batches"),
        *("largest difference in probability", "changed classes"),
    )
    return table(head, [
        (row["engine"], _number(row["one_picture_ms"]["median"]), _number(row["one_picture_ms"]["p95"]),
         _number(row["pictures_per_second"]), f"{row['largest_difference']:.1e}", str(row["n_changed_classes"]))
        for row in measured["engines"]
    ])  # fmt: skip


def precision_table(measured: dict[str, Any]) -> list[str]:
    """Return the table of what bfloat16 changes."""
    head = (
        *("network", "held-out images", "changed classes", "certain answers turned", "changed answers"),
        *("largest difference of a probability", "calibration error", "in bfloat16", "within the limits"),
    )
    return table(head, [
        (row["network"], str(row["n_images"]), str(row["n_changed_classes"]), str(row["n_certain_turned"]),
         str(row["n_changed_answers"]), f"{row['largest_difference']:.1e}", f"{row['calibration_error']:.4f}",
         f"{row['reduced_calibration_error']:.4f}", "yes" if row["holds"] else "**no**")
        for row in measured["networks"]
    ])  # fmt: skip


def growth_tables(measured: dict[str, Any]) -> list[str]:
    """Return a table for each of the four things that grow."""
    heads = {
        "pictures": {"n_pictures": "images in a request", "seconds": "seconds", "memory_mb": "memory (RSS), MB"},
        "clients": {"n_clients": "clients", "pictures_per_second": "images/s", "median_ms": "an answer, ms",
                    "p95_ms": "95th percentile", "n_refused": "refused (503)"},
        "sides": {"side_px": "side of the image, px", "median_ms": "an answer, ms", "p95_ms": "95th percentile"},
        "volumes": {"n_slices": "slices of a volume", "seconds": "seconds", "slices_per_second": "slices/s",
                    "memory_mb": "memory (RSS), MB"},
    }  # fmt: skip
    lines = []
    for name, columns in heads.items():
        rows = [tuple(_number(row[key]) for key in columns) for row in measured[name]]
        lines += [*table(tuple(columns.values()), rows), ""]
    return lines[:-1]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def profile_tables(measured: dict[str, Any]) -> list[str]:
    """Return the shares of stages, with what each is there for, and of functions."""
    stages = [(stage, f"{share:.1%}", _WHY.get(stage, "")) for stage, share in measured["stages"].items()]
    functions = [(name, f"{share:.1%}") for name, share in measured["functions"].items()]
    return [
        *table(("stage", "share", "what it is there for"), stages), "",
        *table(("innermost function of the app", "share"), functions),
    ]  # fmt: skip


def _samples_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    return table(
        ("figure", "what, unit", "median", "95th percentile", "n"),
        [(row["title"], name, _number(sample["median"]), _number(sample["p95"]), str(sample["n"]))
         for row in rows for name, sample in row["samples"].items()],
    )  # fmt: skip


def _conditions(measured: dict[str, Any]) -> list[str]:
    machine = measured["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return [
        *(["> A quick run: these figures mean nothing.", ""] if measured["quick"] else []),
        f"{machine['processor']}, {machine['n_cores']} cores, {machine['memory_gb']} GB; {machine['system']}, "
        f"Python {machine['python']}; {packages}. {machine['date']}, load {machine['load_at_start']} at the start. "
        f"Networks: {', '.join(machine['networks'])}.",
    ]


def _picture(file: str, description: str) -> str:
    return f"![{description}]({FOLDER}/{file})"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or float(value).is_integer() else f"{value:.3g}"


_SECTIONS = {"rows": _rows, "profile": _profile, "engines": _engines, "precision": _precision, "growth": _growth}
# Known causes of limits missed on two cores; the figures are in the tables and in the profile.
_WHY_MISSED = {
    "picture": "the network is so fast that the steps around it count. Reading in another process, preprocessing, heat "
    "map, gunicorn and Flask take a millisecond or two each. None of them is large or needless.",
    "throughput": "both cores work all the time. Each image also needs reading, preprocessing and HTTP, and the "
    "clients run on the same two cores. Two streams of the engine would help, and take more memory.",
    "decoding": "masks, label maps, colours, margins and sheets of slices are looked for in every image, before it is "
    "prepared.",
    "reduced": "in bfloat16 the network is so fast that the steps around it take half of the time.",
    "reduced-scan": "a processor with AMX computes bfloat16 faster than one with AVX-512 alone.",
    "volume": "the engine alone is fastest with two streams, for which the app lacks the memory. The file is also read "
    "whole before its first slice reaches the network.",
    "start": "Python's packages, the weights of both networks and their compiling each take a large share of a second.",
    "memory": "OpenVINO keeps each network's weights twice, as given and as packed for the processor.",
    "size": "OpenVINO, NumPy, GDCM and Babel are large, and are needed.",
}
# Changes whose gain an earlier run shows: change, figure, row.
_SINCE = (
    ("networks ready for OpenVINO from publishing, without Keras", "start", "start"),
    ("the same", "memory after a load", "memory"),
    ("packages without compiled bytecode", "disk", "size"),
)
_WHY = {
    "engine": "the network",
    "heat map": "enlarges it and draws it over the image, only if the client asks",
    "preprocess": "finds the head, sets grey levels, resizes, as in training",
    "decode": "decompresses the JPEG with libjpeg-turbo",
    "to and from the reading process": "sends file and pixels through pipes, so no file can crash the worker",
    "JSON, base64, templates": "writes the answer with its heat map",
    "HTTP": "gunicorn, Werkzeug and Flask: form, headers, socket",
    "gate and calibration": "checks that it is a brain MRI, adjusts the probabilities",
    "other code of the app": "hashes, metrics, log",
}
