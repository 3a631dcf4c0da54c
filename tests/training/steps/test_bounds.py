"""The limits that a network must meet to be published."""

import dataclasses
from typing import Any

import pytest

from training.measure.gate import GateFigures
from training.measure.metrics import Presence
from training.measure.pointing import PointingFigures
from training.measure.strangers import OnStrangers, Strangers
from training.measure.trust import Calibration, Selective
from training.steps.bounds import unmet_bounds

PRESENCE = Presence(
    n_with_tumor=90, n_without_tumor=60, sensitivity=0.95, specificity=0.95, accuracy=0.95, tumor_from=0.5, auroc=0.98,
    sensitivity_at_95_specificity=0.93,
)  # fmt: skip
GATE = GateFigures({}, 0.0, 300, 0.005, 600, 0.01, 0.01, 0.01, 150)
POINTING = PointingFigures(90, 0.85, 0.5, 0.04)
CALIBRATION = Calibration(0.02, 0.1, [])
SELECTIVE = Selective(0.9, error_among_certain=0.01, error_among_all=0.04, area_under_risk_coverage=0.01, curve=[])


def unmet(**changed: Any) -> list[str]:
    """Return the unmet limits of a network with good figures except for these."""
    figures = {"presence": PRESENCE, "pointing": POINTING, "calibration": CALIBRATION, "selective": SELECTIVE,
               "gate": GATE, "stability": {"mirrored": 0.01}}  # fmt: skip
    return unmet_bounds(**{**figures, **changed})


def test_bounds_for_publishing_that_are_not_kept_are_named() -> None:
    assert unmet() == []
    assert unmet(
        presence=dataclasses.replace(PRESENCE, sensitivity_at_95_specificity=0.89),
        gate=dataclasses.replace(GATE, n_of_test_kinds=0),
        stability={"mirrored": 0.04},
    ) == [
        "sensitivity at a specificity of 0.95: 0.890, at least 0.9",
        "other images let through: not measured, at most 0.01",
        "class changes when mirrored: 0.040, at most 0.03",
    ]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"pointing": dataclasses.replace(POINTING, hottest_point_in_box=0.69)},
         "hottest point in the lesion's box: 0.690, at least 0.7"),
        ({"gate": dataclasses.replace(GATE, refused_brain_mri=0.021)}, "brain MRI refused: 0.021, at most 0.02"),
        ({"gate": dataclasses.replace(GATE, accepted_of_test_kinds=0.011)},
         "other images let through: 0.011, at most 0.01"),
    ],
)  # fmt: skip
def test_bound_that_is_hardly_missed_is_named(changed: dict[str, Any], line: str) -> None:
    assert unmet(**changed) == [line]


def test_sources_that_the_network_never_saw_count_instead_of_held_out_images() -> None:
    sources = Strangers({"here": 0.9, "there": 0.5}, "there", 0.5, {"there": 0.7}, 0.7)
    worse = dataclasses.replace(PRESENCE, auroc=0.91)
    assert unmet(strangers=OnStrangers({}, worse, sources, 0.8, 0.04, 0.05, {})) == [
        "right on there: 0.500, at least 0.6",
        "kind of tumor: 0.700, at least 0.72",
        "AUROC of tumor or not: 0.910, at least 0.97",
        "expected calibration error: 0.050, at most 0.03",
        "wrong among the certain answers: 0.040, at most 0.02",
    ]
