"""From class probabilities to an answer: the one rule for pictures and for volumes."""

from collections.abc import Mapping

from model.card import Decision
from model.sentences import Sentence

# Answers beside the classes.
UNCERTAIN, NOT_BRAIN_MRI = "uncertain", "not_a_brain_mri"
# Why no class is given, for a volume too.
NOT_SURE = Sentence("The network is not sure enough to name a class. A specialist must look.")
CONTRADICTORY = Sentence(
    "The most probable class and the probability of any tumor contradict each other, so that no class is named. "
    "A specialist must look."
)
# What these answers mean and what to do, by answer.
REASONS = {
    UNCERTAIN: NOT_SURE,
    NOT_BRAIN_MRI: Sentence(
        "Expected an MRI slice of a head. Received a picture unlike every brain MRI that the network was "
        "trained on, so that it names no class. Send one slice, upright, without anything around it."
    ),
}


def most_probable(by_class: Mapping[str, float]) -> str:
    """Give the class with the highest probability; of equal ones the first."""
    return max(by_class, key=by_class.__getitem__)


def tumor_probability(by_class: Mapping[str, float]) -> float:
    """Give the probability of any tumor: all classes but "no tumor" together."""
    return 1 - by_class["no_tumor"]


def shows_tumor(by_class: Mapping[str, float], decision: Decision) -> bool:
    """Tell whether the probability of any tumor reaches the model's operating point."""
    return tumor_probability(by_class) >= decision.tumor_from


def is_certain(by_class: Mapping[str, float], decision: Decision) -> bool:
    """Tell whether the class may be given: probable enough, and class and operating point agree on a tumor."""
    probable = max(by_class.values()) >= decision.uncertain_below
    return probable and shows_tumor(by_class, decision) == (most_probable(by_class) != "no_tumor")


def why_uncertain(by_class: Mapping[str, float], decision: Decision) -> Sentence:
    """Give the reason of an UNCERTAIN answer: no class is probable enough, or class and operating point contradict."""
    return NOT_SURE if max(by_class.values()) < decision.uncertain_below else CONTRADICTORY


def answer_of(by_class: Mapping[str, float], decision: Decision) -> str:
    """Give the answer for a brain MRI: the most probable class, or UNCERTAIN."""
    return most_probable(by_class) if is_certain(by_class, decision) else UNCERTAIN
