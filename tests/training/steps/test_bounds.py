"""What a network must keep to be published."""

import dataclasses
import json

from model.card import WEIGHTS_FOLDER
from training.measure.gate import GateFigures
from training.measure.metrics import Presence
from training.measure.pointing import PointingFigures
from training.measure.trust import Calibration, Selective
from training.steps.bounds import unmet_bounds


def test_bounds_for_publishing_that_are_not_kept_are_named() -> None:
    trust = json.loads((WEIGHTS_FOLDER / "xception.json").read_text())["metrics"]["trust"]
    presence, pointing, gate = (
        of(**trust[name])
        for name, of in (("tumor_presence", Presence), ("heatmaps", PointingFigures), ("gate", GateFigures))
    )
    others = (Calibration(**trust["calibration"]), Selective(**trust["selective"]))
    assert unmet_bounds(presence, pointing, *others, gate, trust["stability"]) == []
    worse = dataclasses.replace(presence, sensitivity_at_95_specificity=0.89)
    untested = dataclasses.replace(gate, n_of_test_kinds=0)
    assert unmet_bounds(worse, pointing, *others, untested, {"mirrored": 0.04}) == [
        "sensitivity at a specificity of 0.95: 0.890, at least 0.9",
        "other pictures let through: not measured, at most 0.01",
        "class changes when mirrored: 0.040, at most 0.03",
    ]
