"""What a network must keep before its weights are published, whatever its accuracy.

Where it was calibrated on sources that it never saw, tumor or not and certain answers are measured on these, and the
worst source counts; else on held-out images.
"""

from training.measure.gate import GateFigures
from training.measure.metrics import Presence
from training.measure.pointing import PointingFigures
from training.measure.strangers import OnStrangers
from training.measure.trust import SELECTIVE_ERROR, Calibration, Selective

# Tumor or not.
LEAST_AUROC = 0.97
LEAST_SENSITIVITY = 0.90
LARGEST_CALIBRATION_ERROR = 0.03
# Share of images whose class changes when the file is changed a little.
LARGEST_INSTABILITY = 0.03
LARGEST_REFUSED = 0.02
LARGEST_ACCEPTED = 0.01
LEAST_POINTING = 0.70
# Of the source with the lowest share: images that are rightly called a tumor or none, and tumors of the right kind.
LEAST_OF_WORST_SOURCE = 0.60
LEAST_KIND = 0.72


def unmet_bounds(
    presence: Presence, pointing: PointingFigures, calibration: Calibration, selective: Selective, gate: GateFigures,
    stability: dict[str, float], strangers: OnStrangers | None = None,
) -> list[str]:  # fmt: skip
    """Return a line for each bound that is not kept; what was not measured is not kept."""
    error, wrong = calibration.expected_calibration_error, selective.error_among_certain
    of_sources: dict[str, tuple[float | None, float]] = {}
    if strangers:
        presence = strangers.tumor_presence
        error, wrong = strangers.expected_calibration_error, strangers.wrong_among_certain
        of_sources = {
            f"right on {strangers.sources.worst_source}": (strangers.sources.worst_right, LEAST_OF_WORST_SOURCE),
            **({"kind of tumor": (strangers.sources.mean_kind, LEAST_KIND)} if strangers.sources.kind else {}),
        }
    at_least = {
        **of_sources,
        "AUROC of tumor or not": (presence.auroc, LEAST_AUROC),
        "sensitivity at a specificity of 0.95": (presence.sensitivity_at_95_specificity, LEAST_SENSITIVITY),
        "hottest point in the lesion's box": (pointing.hottest_point_in_box, LEAST_POINTING),
    }
    at_most = {
        "expected calibration error": (error, LARGEST_CALIBRATION_ERROR),
        "wrong among the certain answers": (wrong, SELECTIVE_ERROR),
        "brain MRI refused": (gate.refused_brain_mri, LARGEST_REFUSED),
        "other images let through": (gate.accepted_of_test_kinds if gate.n_of_test_kinds else None, LARGEST_ACCEPTED),
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
