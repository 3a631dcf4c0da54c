"""The images of a run are found by its table."""

import shutil
from pathlib import Path

from PIL import Image

from tests.support.samples import csv_rows
from training.data.sources import Sources
from training.fit.run_folder import RunFolder
from training.fit.run_pictures import read_run_pictures
from training.steps.card_of_run import card_of_run


def test_validation_images_of_which_training_holds_a_copy_are_left_away(
    run: RunFolder, drawn_data: Path, tmp_path: Path
) -> None:
    data, copied = tmp_path / drawn_data.name, RunFolder(tmp_path / "run")
    shutil.copytree(drawn_data, data)
    shutil.copytree(run.path, copied.path)
    rows = csv_rows(run.split_file)
    trained = next(row for row in rows if row["validation"] == "0" and row["class_name"] == "tumor")
    copy = Path(trained["name"]).with_name("brighter.png")
    with Image.open(tmp_path / trained["name"]) as opened:
        opened.point(lambda level: int(255 * (level / 255) ** 0.6)).save(tmp_path / copy)
    with copied.split_file.open("a") as table:
        table.write(f"{copy},tumor,9999,1\n")
    read = read_run_pictures(copied, Sources((data,)), card_of_run(copied))
    assert read.n_in_training == 1
    assert sorted(p.name for p in read.validation.pictures) == sorted(r["name"] for r in rows if r["validation"] == "1")
