"""Sentences for people: written in English where the cause is known, translated where they are shown."""

from collections.abc import Callable
from typing import Any


class Sentence(str):
    """An English sentence that remembers its template and values, so that it can be said in another language.

    The template is in str.format's language; values may be sentences themselves. `Sentence(...)` also marks the
    template for the translators' catalogue, which is why it must be given as a literal.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> "Sentence":
        """Format the template; without values it stays as it is, braces included."""
        sentence = super().__new__(cls, template.format(**values) if values else template)
        sentence.template, sentence.values = template, values
        return sentence

    def said_in(self, translate: Callable[[str], str], decimal: Callable[[float], str] = str) -> str:
        """Return the sentence in another language; `translate` gives the template in it, `decimal` a number."""
        if not self.template:
            return ""

        def say(value: Any) -> Any:
            if isinstance(value, Sentence):
                return value.said_in(translate, decimal)
            return decimal(value) if isinstance(value, float) else value

        values = {name: say(value) for name, value in self.values.items()}
        return translate(self.template).format(**values) if values else translate(self.template)


# Says nothing. Not written as a call, since the catalogue gathers those, and its empty template is its header.
NO_SENTENCE = Sentence.__new__(Sentence, "")
