"""Write docs/reliability.md from the notes of `make test-faults` and from the quick tests: `make reliability`."""

import ast
import json
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.rows import NOTES, QUICK, REMARKS
from tests.support.samples import TOP

DOCUMENT = TOP / "docs" / "reliability.md"
SECTIONS = {"A": "Bad input", "B": "Load and slow clients", "C": "Process and host", "D": "Model integrity",
            "P": "Privacy", "F": "Packaging"}  # fmt: skip
HEAD = """# Reliability

What was done to the service, and what was seen. Made by `make test-faults reliability`; do not edit. Every row is a
test. Those with a measured result break a real gunicorn with the shipped `gunicorn.conf.py`, over the loopback; some
have Debian's nginx with the shipped `deploy/nginx.conf` in front. The others are among the quick tests.
`make test-faults FAULT_ARGS=--full` takes hours instead of minutes: longer loads, more requests.

Made on {machine}, {date}, load average {load:.1f} when this was written.
Loads are sent from the same machine and share its cores. The networks are made up. That of B1 to B4, B8, C1 and C3
computes about half as much as the shipped xception; that of all other rows is tiny. So rates and memory are not
those of the shipped models; [benchmarks](benchmarks.md) has these.
"""


def main() -> int:
    """Run the quick tests of the rows, and write the document; return 1 if a row failed."""
    notes = json.loads(NOTES.read_text()) if NOTES.exists() else []
    outcomes = _outcomes(sorted({_file(test) for _, tests in QUICK.values() for test in tests}))
    rows = sorted({*QUICK, *REMARKS, *(note["row"] for note in notes)}, key=lambda row: (row[0], int(row[1:])))
    date = datetime.now(UTC).date().isoformat()
    lines = [HEAD.format(machine=_machine(), date=date, load=os.getloadavg()[0]).rstrip()]
    failed = False
    for letter, title in SECTIONS.items():
        lines += [f"\n## {title}\n", "| row | what was done | what was seen |", "|---|---|---|"]
        for row in rows:
            if row.startswith(letter):
                cells = [*_quick_cells(row, outcomes), *_note_cells(row, notes), *_remark_cells(row)]
                failed |= any("failed" in seen for _, seen in cells)
                lines += [f"| {row} | {_escape(done)} | {_escape(seen)} |" for done, seen in cells]
    DOCUMENT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {DOCUMENT.relative_to(TOP)}: {len(rows)} rows" + (", some failed" if failed else ""))
    return int(failed)


def named_tests(test: str) -> list[str]:
    """Return the functions that a row names as `file:beginning`.

    Raises:
        LookupError: there is none.
    """
    file, _, beginning = test.partition(":")
    tree = ast.parse((TOP / _file(test)).read_text(encoding="utf-8"))
    found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    chosen = [name for name in found if name.startswith(beginning)]
    if not chosen:
        raise LookupError(f"Expected a test in test_{file}.py whose name begins with {beginning}.")
    return chosen


def _file(test: str) -> str:
    name = f"test_{test.partition(':')[0]}.py"
    (file,) = (TOP / "tests").rglob(name)
    return file.relative_to(TOP).as_posix()


def _outcomes(files: Iterable[str]) -> dict[tuple[str, str], list[bool]]:
    """Run quick tests. Return, by file and function, whether each case passed; skipped ones are left out."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow and not fault", f"--junitxml={result}", *files]
        subprocess.run(command, cwd=TOP, check=False)
        cases = ET.parse(result).iter("testcase")
        outcomes: dict[tuple[str, str], list[bool]] = {}
        for case in cases:
            file = case.attrib["classname"].rpartition(".test_")[2]
            if case.find("skipped") is None:
                passed = case.find("failure") is None and case.find("error") is None
                outcomes.setdefault((file, case.attrib["name"].partition("[")[0]), []).append(passed)
    return outcomes


def _quick_cells(row: str, outcomes: dict[tuple[str, str], list[bool]]) -> list[tuple[str, str]]:
    if row not in QUICK:
        return []
    done, tests = QUICK[row]
    cases = [
        passed
        for test in tests
        for name in named_tests(test)
        for passed in outcomes.get((test.partition(":")[0], name), [])
    ]
    n_failed = cases.count(False)
    files = ", ".join(dict.fromkeys(f"`{_file(test).removeprefix('tests/')}`" for test in tests))
    return [
        (
            done,
            f"{_tests(len(cases))} passed ({files})" if not n_failed else f"{n_failed} of {_tests(len(cases))} failed",
        )
    ]


def _tests(n: int) -> str:
    return f"{n} test" if n == 1 else f"{n} tests"


def _note_cells(row: str, notes: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [
        (note["done"], note["seen"] + ("" if note["outcome"] == "passed" else f" — **the test {note['outcome']}**"))
        for note in notes
        if note["row"] == row
    ]


def _remark_cells(row: str) -> list[tuple[str, str]]:
    return [("", REMARKS[row])] if row in REMARKS else []


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _machine() -> str:
    return f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
