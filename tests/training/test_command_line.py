"""`python -m training`: its steps and studies."""

import subprocess
import sys

import pytest

from tests.support.samples import TOP
from training.__main__ import main
from training.command_line import STEPS, STUDIES


def test_help_names_the_six_steps_in_the_order_in_which_they_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    places = [said.index(f"    {step} ") if f"    {step} " in said else said.index(f"    {step}\n") for step in STEPS]
    assert list(STEPS) == ["explore", "audit", "train", "calibrate", "evaluate", "publish", "adopt"]
    assert places == sorted(places)


@pytest.mark.parametrize("name", [*STEPS, *(f"study {study}" for study in STUDIES)])
def test_step_explains_its_own_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*name.split(), "--help"])
    assert f"usage: python -m training {name}" in capsys.readouterr().out


def test_help_does_not_wait_for_keras() -> None:
    code = (
        "import sys\nfrom training.command_line import main\n"
        "try: main(['--help'])\nexcept SystemExit: print('keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
