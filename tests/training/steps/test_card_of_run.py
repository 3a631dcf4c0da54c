"""The card of a run."""

import json
import shutil
from pathlib import Path

import pytest

from model.errors import ModelFileError
from training.fit.run_folder import RunFolder
from training.steps.card_of_run import card_of_run


def test_card_is_of_the_task_of_the_recipe(run: RunFolder) -> None:
    assert card_of_run(run).task == "tumor_presence"


def test_what_was_chosen_for_another_network_is_not_taken(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    chosen = {"decision": {"temperature": 2.0}, "network_sha256": "0" * 64}
    copy.decision_file.write_text(json.dumps(chosen))
    with pytest.raises(ModelFileError, match="training calibrate"):
        card_of_run(copy)
