"""Whole sources are left out."""

import numpy as np
import pytest

from training.errors import DataError
from training.known_sources import KNOWN_SOURCES
from training.studies.folds_by_source import folds_by_source


def test_folds_of_known_sources_hold_both_answers_and_take_groups_along() -> None:
    sources = ["tcga_gbm"] * 2 + ["healthy_heads"] * 2 + ["brats_t1ce", "oasis", "oasis"]
    pictures = [type("P", (), {"source": source})() for source in sources]
    labels, groups = np.array([0, 0, 2, 2, 0, 2, 2]), np.array([0, 1, 2, 3, 4, 5, 3])
    folds = dict(folds_by_source(pictures, labels, groups, 2))
    assert list(folds) == ["brats-oasis", "gbm-healthy-heads"]
    assert folds["gbm-healthy-heads"].validation.tolist() == [0, 1, 2, 3]
    assert folds["gbm-healthy-heads"].training.tolist() == [4, 5]
    with pytest.raises(DataError, match="--data"):
        folds_by_source(pictures[:4], labels[:4], groups[:4], 2)


def test_every_fold_of_the_known_sources_has_tumors_and_heads_without() -> None:
    free = {"healthy_heads", "oasis", "ljubljana_ms", "ixi"}
    folds = {row.fold for row in KNOWN_SOURCES.values()}
    for fold in folds:
        members = {row.folder for row in KNOWN_SOURCES.values() if row.fold == fold}
        assert members & free
        assert members - free
