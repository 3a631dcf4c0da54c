"""Tables of images: patients stay together, outlines are found and mapped to the network's input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.decoded import decode
from training.data.folders import find_pictures
from training.data.image_table import facts_of, links_of_patients, read_image_table
from training.data.sources import Sources
from training.errors import DataError
from training.fit.material import looks_of

HEAD = "path,source,label,patient,plane,modality,mask\n"


def write_heads(top: Path) -> Path:
    """Write three heads with a tumor, one without, their table, and two outlines; return the data folder."""
    random = np.random.default_rng(0)
    folder = top / "tcga_lgg"
    for name in ("glioma/a_1.png", "glioma/a_2.png", "glioma/b_1.png", "no_tumor/a_9.png"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        blobs = random.integers(60, 200, (9, 9), np.uint8)
        pixels = np.zeros((100, 120), np.uint8)
        pixels[10:90, 20:100] = np.asarray(Image.fromarray(blobs).resize((80, 80)))
        Image.fromarray(pixels).save(file)
    mask = np.zeros((100, 120), np.uint8)
    mask[10:50, 20:60] = 255
    for file in (folder / "masks" / "a_1.png", top / "outlines" / "tcga_lgg" / "glioma" / "b_1.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).convert("1").save(file)
    (top / "table.csv").write_text(
        HEAD
        + "tcga_lgg/glioma/a_1.png,tcga_lgg,glioma,a,ax,flair,tcga_lgg/masks/a_1.png\n"
        + "tcga_lgg/glioma/a_2.png,tcga_lgg,glioma,a,cor,flair,\n"
        + "tcga_lgg/glioma/b_1.png,tcga_lgg,glioma,?,ax,t1-stripped,\n"
        + "tcga_lgg/no_tumor/a_9.png,tcga_lgg,no_tumor,a,ax,flair,\n"
    )
    return folder


def test_images_of_a_patient_are_held_together_and_unknown_patients_are_not(tmp_path: Path) -> None:
    pictures = find_pictures([write_heads(tmp_path)], "tumor_type").pictures
    facts = facts_of(pictures, read_image_table(tmp_path / "table.csv"))
    assert [row.patient for row in facts if row] == ["tcga_lgg/a", "tcga_lgg/a", "", "tcga_lgg/a"]
    first, second = links_of_patients(facts)
    assert list(zip(first, second, strict=True)) == [(0, 1), (1, 3)]


def test_outlines_are_found_in_the_table_and_in_a_folder_and_lie_where_the_network_sees_them(tmp_path: Path) -> None:
    folder = write_heads(tmp_path)
    sources = Sources((folder,), table=tmp_path / "table.csv", outlines=tmp_path / "outlines")
    decoded = decode(find_pictures([folder], "tumor_type").pictures, 96)
    outlines = sources.outlines_of(decoded)
    assert outlines.known.tolist() == [True, False, True, False]
    for i in (0, 2):
        # The left upper quarter of the head, which fills the input.
        rows, columns = np.nonzero(outlines[i])
        assert (rows.min(), columns.min()) == pytest.approx((0, 0), abs=3)
        assert (rows.max(), columns.max()) == pytest.approx((47, 47), abs=3)


def test_planes_and_stripped_heads_are_looks_of_their_own(tmp_path: Path) -> None:
    folder = write_heads(tmp_path)
    decoded = decode(find_pictures([folder], "tumor_type").pictures, 96)
    looks = looks_of(decoded, Sources((folder,), table=tmp_path / "table.csv"))
    assert looks[0] == looks[3]
    assert len(set(looks.tolist())) == 3


def test_file_that_is_no_table_of_images_is_refused_with_its_columns(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("name,plane\na,b\n")
    with pytest.raises(DataError, match="path, source, label, patient, plane, modality, mask"):
        read_image_table(tmp_path / "table.csv")
