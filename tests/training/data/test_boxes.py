"""The table of lesion boxes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.training import write
from training.data.boxes import boxes_in_input, boxes_of, lesions_of, read_boxes
from training.data.decoded import decode
from training.data.folders import find_pictures
from training.errors import DataError


def test_boxes_follow_the_crop_to_the_head(tmp_path: Path) -> None:
    # A bright head in the right lower part of a black image; the lesion fills the head's left upper quarter.
    picture = np.zeros((100, 200), np.uint8)
    picture[40:80, 120:160] = np.random.default_rng(0).integers(100, 200, (40, 40))
    file = tmp_path / "set" / "glioma" / "1.png"
    write(file, Image.fromarray(picture))
    table = tmp_path / "boxes.csv"
    table.write_text(
        "path,figshare_class,figshare_slice,x_center,y_center,width,height\n"
        "set/glioma/1.png,glioma,7,0.65,0.5,0.1,0.2\n"
    )
    decoded = decode(find_pictures([tmp_path / "set"], "tumor_type").pictures, 80)
    lesions = lesions_of(decoded.pictures, read_boxes(table))
    assert lesions[0] is not None
    assert lesions[0].slice_number == 7
    np.testing.assert_allclose(boxes_in_input(decoded, lesions), [[0, 0.5, 0, 0.5]], atol=0.03)


def test_table_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="figshare_slice"):
        read_boxes(tmp_path / "boxes.csv")


def test_table_of_other_pictures_is_a_clear_error(collections: Path, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text(
        "path,figshare_class,figshare_slice,x_center,y_center,width,height\nelsewhere/1.png,glioma,1,0,0,1,1\n"
    )
    pictures = find_pictures([collections / "first"], "tumor_type").pictures
    with pytest.raises(DataError, match="leave --boxes away"):
        boxes_of(table, pictures)
    assert boxes_of(None, pictures) == {}
