"""The headline of an answer, from both questions and both networks."""

from dataclasses import dataclass
from enum import Enum

from model.answers.certainty import Answer, Tumor
from model.answers.volume import VolumeSummary
from model.card import Decision
from model.sentences import NO_SENTENCE, Sentence

KINDS = {
    "glioma": Sentence("glioma"),
    "meningioma": Sentence("meningioma"),
    "pituitary": Sentence("pituitary tumor"),
}
_OVER, _UNDER = Sentence("over 99%"), Sentence("under 1%")
_DISAGREE = Sentence("The two models disagree: do not rely on either.")
_NOT_BRAIN = Sentence("Not a brain MRI.")
_NO_TUMOR = Sentence("No sign of a tumor.")
_SECOND_NOT_BRAIN = Sentence("The second model does not take this for a brain MRI.")
_UNMEASURED = Sentence(
    "Unclear: it was not measured how often this model calls a healthy volume a tumor. See the chart."
)


class Tone(Enum):
    """How sure a headline is: it decides the colour."""

    SURE, UNSURE, DISAGREE = "sure", "unsure", "disagree"


@dataclass(frozen=True)
class Headline:
    """The sentence, or two, and how sure it is."""

    text: Sentence
    tone: Tone


def headline(first: Answer, second: Answer | None = None) -> Headline:
    """Return the headline of an image or volume; second: the answer of a second network, if there is one.

    Where one says tumor and the other none, nothing else is said. Every other doubt of the second is added.
    """
    if not first.is_brain_mri:
        return Headline(_NOT_BRAIN, Tone.UNSURE)
    is_sure = first.is_certain
    if second is None:
        return Headline(_main(first), Tone.SURE if is_sure else Tone.UNSURE)
    if disagree(first, second):
        return Headline(_DISAGREE, Tone.DISAGREE)
    added = _added(first, second)
    text = _both(_main(first), added) if added else _main(first)
    return Headline(text, Tone.SURE if is_sure and not added else Tone.UNSURE)


def disagree(first: Answer, second: Answer) -> bool:
    """Return whether one network says tumor and the other no tumor."""
    return first.is_brain_mri and second.is_brain_mri and {first.tumor, second.tumor} == {Tumor.YES, Tumor.NO}


def share(probability: float) -> Sentence:
    """Return a probability in whole percent; what is nearly certain or nearly impossible has no figure."""
    if probability > 0.99:
        return _OVER
    return _UNDER if probability < 0.01 else _percent(probability)


def bounds(decision: Decision, is_volume: bool, has_kinds: bool) -> Sentence:
    """Return from which probabilities on a tumor, none, and a kind are named."""
    yes, no = decision.tumor_bounds(is_volume)
    if yes > 1:
        return Sentence("This model is not sure of anything before it is calibrated.")
    said = {"yes": _percent(yes), "no": _percent(no)}
    if has_kinds and decision.kind_from:
        return Sentence(
            "The answer is “tumor” from a probability of {yes} on, “no sign of a tumor” under {no}. A kind is named if "
            "it makes up at least {kind} of the tumor probability.",
            **said, kind=_percent(decision.kind_from),
        )  # fmt: skip
    if not has_kinds or not decision.uncertain_below:
        return Sentence(
            "The answer is “tumor” from a probability of {yes} on, “no sign of a tumor” under {no}.", **said
        )
    return Sentence(
        "The answer is “tumor” from a probability of {yes} on, “no sign of a tumor” under {no}. A kind is named from "
        "{kind} on.",
        **said, kind=_percent(decision.uncertain_below),
    )  # fmt: skip


def _main(answer: Answer) -> Sentence:
    """Return what one network says."""
    if isinstance(answer, VolumeSummary) and not answer.is_judged:
        return _unjudged(answer)
    likely = share(answer.tumor_probability)
    if answer.tumor is Tumor.UNCLEAR:
        return Sentence("Unclear whether there is a tumor ({share}).", share=likely)
    if answer.tumor is Tumor.NO:
        return _NO_TUMOR
    if answer.kind in KINDS:
        of_kind = share(answer.by_class()[answer.kind])
        return Sentence("Tumor likely: {kind} ({share}).", kind=KINDS[answer.kind], share=of_kind)
    return _which_kind(answer) if answer.has_kinds else Sentence("Tumor likely ({share}).", share=likely)


def _which_kind(answer: Answer) -> Sentence:
    (one, p_one), (other, p_other) = [(KINDS[name], p) for name, p in answer.ranked() if name in KINDS][:2]
    return Sentence(
        "Tumor likely. Which kind is unclear: {one} {p_one}, {other} {p_other}.",
        one=one, p_one=share(p_one), other=other, p_other=share(p_other),
    )  # fmt: skip


def _is_unjudged(answer: Answer) -> bool:
    return isinstance(answer, VolumeSummary) and not answer.is_judged


def _unjudged(volume: VolumeSummary) -> Sentence:
    rate = volume.decision.volume_false_alarms
    if rate is None:
        return _UNMEASURED
    return Sentence(
        "Unclear: this model calls {share} of healthy volumes a tumor. See the chart.", share=_percent(rate)
    )


def _added(first: Answer, second: Answer) -> Sentence:
    """Return how the second network's answer differs from the first one's."""
    if not second.is_brain_mri:
        return _SECOND_NOT_BRAIN
    if _is_unjudged(first) or _is_unjudged(second):
        return NO_SENTENCE
    likely = share(second.tumor_probability)
    if first.tumor is Tumor.UNCLEAR and second.tumor is Tumor.YES:
        return Sentence("The second model says tumor ({share}).", share=likely)
    if first.tumor is Tumor.UNCLEAR and second.tumor is Tumor.NO:
        return Sentence("The second model says no tumor ({share}).", share=likely)
    if first.tumor is not second.tumor:
        return Sentence("The second model is not sure ({share}).", share=likely)
    if first.kind in KINDS and second.kind in KINDS and first.kind != second.kind:
        return Sentence("The second model says {kind}.", kind=KINDS[second.kind])
    return NO_SENTENCE


def _percent(probability: float) -> Sentence:
    return Sentence("{n}%", n=round(100 * probability))


def _both(first: Sentence, second: Sentence) -> Sentence:
    return Sentence("{first} {second}", first=first, second=second)
