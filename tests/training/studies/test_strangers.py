"""Whole sources are left out."""

import numpy as np
import pytest

from training.errors import DataError
from training.figures import Figures
from training.known_sources import KNOWN_SOURCES
from training.studies.strangers import folds_by_source, measure_strangers


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


def test_worst_source_is_the_one_with_the_fewest_right_answers() -> None:
    sources = np.array(["a"] * 20 + ["b"] * 20 + ["few"])
    labels = np.array([0] * 20 + [2] * 20 + [1])
    probabilities = np.tile(np.array([0.5, 0.2, 0.2, 0.1], np.float32), (41, 1))
    probabilities[20:35] = [0.1, 0.1, 0.8, 0.0]
    figures = measure_strangers(sources, labels, probabilities, 2)
    assert isinstance(figures, Figures)
    assert figures.right == {"a": 1.0, "b": 0.75, "few": 1.0}
    assert (figures.worst_source, figures.worst_right) == ("b", 0.75)
    assert figures.kind == {"a": 1.0, "few": 0.0}
    assert figures.mean_kind == 0.5
