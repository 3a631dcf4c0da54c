"""What a network must keep on held-out pictures before its weights are published, whatever its accuracy."""

from training.measure.gate import GateFigures
from training.measure.metrics import Presence
from training.measure.pointing import PointingFigures
from training.measure.trust import SELECTIVE_ERROR, Calibration, Selective

# Tumor or not.
LEAST_AUROC = 0.97
LEAST_SENSITIVITY = 0.90
LARGEST_CALIBRATION_ERROR = 0.03
# Share of pictures whose class changes when the file is changed a little.
LARGEST_INSTABILITY = 0.03
LARGEST_REFUSED = 0.02
LARGEST_ACCEPTED = 0.01
LEAST_POINTING = 0.70


def unmet_bounds(
    presence: Presence, pointing: PointingFigures, calibration: Calibration, selective: Selective, gate: GateFigures,
    stability: dict[str, float],
) -> list[str]:  # fmt: skip
    """Return a line for each bound that is not kept; what was not measured is not kept."""
    at_least = {
        "AUROC of tumor or not": (presence.auroc, LEAST_AUROC),
        "sensitivity at a specificity of 0.95": (presence.sensitivity_at_95_specificity, LEAST_SENSITIVITY),
        "hottest point in the lesion's box": (pointing.hottest_point_in_box, LEAST_POINTING),
    }
    at_most = {
        "expected calibration error": (calibration.expected_calibration_error, LARGEST_CALIBRATION_ERROR),
        "wrong among the certain answers": (selective.error_among_certain, SELECTIVE_ERROR),
        "brain MRI refused": (gate.refused_brain_mri, LARGEST_REFUSED),
        "other pictures let through": (gate.accepted_of_test_kinds if gate.n_of_test_kinds else None, LARGEST_ACCEPTED),
        **{
            f"class changes when {change.replace('_', ' ')}": (share, LARGEST_INSTABILITY)
            for change, share in stability.items()
        },
    }
    return [
        *(_line(name, found, "least", bound) for name, (found, bound) in at_least.items() if not _kept(bound, found)),
        *(_line(name, found, "most", bound) for name, (found, bound) in at_most.items() if not _kept(found, bound)),
    ]


def _kept(smaller: float | None, larger: float | None) -> bool:
    return smaller is not None and larger is not None and smaller <= larger


def _line(name: str, found: float | None, which: str, bound: float) -> str:
    return f"{name}: {'not measured' if found is None else f'{found:.3f}'}, at {which} {bound}"
