"""Measure rows, print each as soon as it is done, and write the results of a whole run."""

import argparse
import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.engines.network import ServedNetwork
from benchmarks.plan import Plan
from benchmarks.report import page
from benchmarks.report.machine import describe_machine
from benchmarks.rows import BY_NAME, NOT_MEASURED, ROWS, Finding

# Which module measures which rows, in the order in which they are measured.
MODULES = {
    "picture": ("engine", "picture", "picture-floor", "tutorial", "pytorch", "reduced"),
    "throughput": ("throughput",),
    "volume": ("volume",),
    "start": ("start", "memory"),
    "decoding": ("decoding",),
    "size": ("size",),
    "reduced": ("reduced-scan",),
    "pipeline": ("pipeline",),
}


def plan_of(options: argparse.Namespace) -> Plan:
    """Return the plan that the command's arguments ask for."""
    return Plan(ServedNetwork(options.models, options.cache), options.quick)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only the rows take."""
    parser.add_argument(
        "--only", nargs="+", choices=list(BY_NAME), metavar="NAME", default=list(BY_NAME),
        help=f"print these rows and write nothing: {', '.join(BY_NAME)}",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measure the rows asked for; only a run of all rows is written, so that all figures are of one run."""
    machine, plan, found = describe_machine(options.models), plan_of(options), dict[str, Any]()
    for module, names in MODULES.items():
        if set(names) & set(options.only):
            for finding in importlib.import_module(f"benchmarks.measured.{module}").measure(plan):
                found[finding.row] = finding.to_json()
                print(line_of(finding), flush=True)
            for row in (BY_NAME[name] for name in names if name not in found):
                print(f"{row.name}: {NOT_MEASURED.format(row.needs)}", flush=True)
    if set(options.only) == set(BY_NAME):
        _write(
            options,
            "rows",
            {
                "machine": machine,
                "quick": plan.quick,
                "rows": {row.name: found[row.name] for row in ROWS if row.name in found},
            },
        )


def run_other(
    options: argparse.Namespace,
    name: str,
    measure: Callable[[Plan], dict[str, Any]],
    table: Callable[[dict[str, Any]], Sequence[str]],
) -> None:
    """Measure something other than the rows, print it as a table, and add it to the results."""
    machine, plan = describe_machine(options.models), plan_of(options)
    measured = measure(plan)
    print("\n".join(table(measured)))
    _write(options, name, {"machine": machine, "quick": plan.quick, **measured})


def _write(options: argparse.Namespace, name: str, measured: dict[str, Any]) -> None:
    """Replace one part of the results, and regenerate page and plots."""
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    results[name] = measured
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page.write(results, options.docs)


def line_of(finding: Finding) -> str:
    """Return a finding in lines to read while the run goes on."""
    row = BY_NAME[finding.row]
    head = (
        f"{row.name}: {finding.value:.3g} {row.unit} (95th percentile {finding.p95:.3g}), "
        f"limit {row.better} {row.must}, goal {row.aim}: {row.verdict(finding.value)}"
    )
    samples = [f"    {name}: {s.median:.4g} (95th percentile {s.p95:.4g})" for name, s in finding.samples.items()]
    return "\n".join([head, *samples, *(f"    {note}" for note in finding.notes)])
