"""The locks match their .in files, with exact versions and hashes; and the bill of materials."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.samples import TOP

WANTED = sorted(path.stem for path in (TOP / "requirements").glob("*.in"))
# The lowest versions without a relevant vulnerability.
FLOORS = {"pillow": "12.3", "pydicom": "3.0.2", "keras": "3.15", "werkzeug": "3.1.6", "gunicorn": "26.1"}
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def lock_of(stem: str) -> Path:
    """Return the lock of an .in file; the one for serving is requirements.txt."""
    return TOP / "requirements.txt" if stem == "serve" else TOP / "requirements" / f"{stem}.txt"


def wanted_by(stem: str) -> set[Requirement]:
    """Return the requirements of an .in file, with those of the files that it includes."""
    found = set()
    for line in (TOP / "requirements" / f"{stem}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= wanted_by(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith("#"):
            found.add(Requirement(line))
    return found


def locked_in(stem: str) -> dict[Requirement, set[str]]:
    """Return the requirements of a lock with the SHA-256 of their files."""
    text = lock_of(stem).read_text(encoding="utf-8")
    joined = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    lines = [line for line in joined.splitlines() if line.strip()]
    return {Requirement(line.partition("--hash")[0]): set(HASH.findall(line)) for line in lines}


def name_and_version(requirement: Requirement) -> tuple[str, str]:
    return requirement.name.lower().replace("_", "-"), str(requirement.specifier)


@pytest.mark.parametrize("stem", WANTED)
def test_everything_wanted_has_one_exact_version(stem: str) -> None:
    assert [str(r) for r in wanted_by(stem) if not re.fullmatch(r"==[\w.]+", str(r.specifier))] == []


@pytest.mark.parametrize("stem", WANTED)
def test_lock_holds_what_is_wanted_and_nothing_that_no_longer_is(stem: str) -> None:
    wanted, locked = wanted_by(stem), locked_in(stem)
    assert {name_and_version(r) for r in wanted} <= {name_and_version(r) for r in locked}
    # Packages from the .in file are marked: "# via -r requirements/serve.in".
    text = lock_of(stem).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    direct = {block.partition("==")[0] for block in blocks if re.search(r"#( via)?\s+-r requirements", block)}
    assert direct == {name_and_version(r)[0] for r in wanted}


@pytest.mark.parametrize("stem", WANTED)
def test_everything_locked_has_one_version_and_hashes(stem: str) -> None:
    locked = locked_in(stem)
    assert len(locked) >= 40
    for requirement, hashes in locked.items():
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), requirement
        assert hashes, requirement


@pytest.mark.parametrize("stem", [stem for stem in WANTED if stem != "dev"])
def test_what_is_installed_elsewhere_is_what_is_tested(stem: str) -> None:
    tested = {(name_and_version(r), frozenset(hashes)) for r, hashes in locked_in("dev").items()}
    known = {name for (name, _), _ in tested}
    for requirement, hashes in locked_in(stem).items():
        here = name_and_version(requirement)
        assert (here, frozenset(hashes)) in tested or here[0] not in known


@pytest.mark.parametrize("stem", WANTED)
def test_lock_names_no_address(stem: str) -> None:
    text = lock_of(stem).read_text(encoding="utf-8")
    assert re.findall(r"index-url|find-links|://", text) == []


def test_there_is_a_lock_of_each_list() -> None:
    assert len(WANTED) >= 7
    assert [stem for stem in WANTED if not lock_of(stem).exists()] == []


def test_serving_requires_nothing_of_training() -> None:
    names = {name_and_version(requirement)[0] for requirement in locked_in("serve")}
    assert not [name for name in names if re.match(r"tensorflow|torch|scikit|matplotlib|redis", name)]


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
@pytest.mark.parametrize("stem", WANTED)
def test_lock_holds_no_version_with_a_known_fault(stem: str, package: str, floor: str) -> None:
    (version,) = [r.specifier for r in locked_in(stem) if r.name == package]
    assert Version(str(version).removeprefix("==")) >= Version(floor)


# Installing


def pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_serving_installs_from_its_lock_in_an_empty_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    installed = pip(python, "-r", str(TOP / "requirements.txt"))
    assert installed.returncode == 0, installed.stderr
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import app, gunicorn; app.create_app(); print('wired')"
    run = subprocess.run([python, "-c", code], cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "wired"), run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("package", ["click", "pillow"])
def test_file_with_another_hash_than_the_lock_s_is_not_installed(tmp_path: Path, package: str) -> None:
    text = (TOP / "requirements.txt").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^{package}==(?:.*\\\n)+.*\n", text, re.MULTILINE)
    target = ["--no-deps", "--only-binary", ":all:", "--target"]
    for name, content in (("true", block), ("altered", HASH.sub(f"--hash=sha256:{64 * '0'}", block))):
        (tmp_path / f"{name}.txt").write_text(content)
    true = pip(Path(sys.executable), *target, str(tmp_path / "a"), "-r", str(tmp_path / "true.txt"))
    assert true.returncode == 0, true.stderr
    altered = pip(Path(sys.executable), *target, str(tmp_path / "b"), "-r", str(tmp_path / "altered.txt"))
    assert altered.returncode != 0
    assert "DO NOT MATCH THE HASHES" in altered.stderr
    assert not (tmp_path / "b").exists()


# Bill of materials


@pytest.mark.slow
def test_bill_of_materials_lists_every_file_that_serving_may_install(tmp_path: Path) -> None:
    commands = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.dev-stamp", "sbom", f"SBOM={tmp_path / 'sbom.json'}"],
        cwd=TOP, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    here = commands.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    subprocess.run(["/bin/sh", "-ec", here], cwd=TOP, capture_output=True, text=True, check=True)
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "brain-mri-classifier"
    listed = {
        (part["name"], f"=={part['version']}"): {
            digest["content"] for reference in part["externalReferences"] for digest in reference["hashes"]
        }
        for part in document["components"]
    }
    assert listed == {name_and_version(r): hashes for r, hashes in locked_in("serve").items()}
