"""The first pages stay short, and `make words` measures the right text."""

import pytest

from tests.docs.words import documents, main, measure, sentences
from tests.support.samples import TOP


@pytest.mark.parametrize(("document", "most"), [("README.md", 1100), ("MODEL_CARD.md", 1500), ("CHANGELOG.md", 1200)])
def test_document_is_short(document: str, most: int) -> None:
    assert measure((TOP / document).read_text(encoding="utf-8")).n_words <= most


def test_sentences_are_those_of_prose() -> None:
    text = "# Title\n\nOne two. Three\nfour [five](a.md)?\n\n| a b | c |\n\n```sh\nmake\n```\n- six seven\n\nNine ten."
    assert sentences(text) == ["One two.", "Three four five?", "six seven", "Nine ten."]


def test_words_are_those_of_the_whole_text_and_the_longest_sentence_is_named() -> None:
    length = measure("# Title\n\nOne two. Three four five six.\n\n| seven |\n")
    assert (length.n_words, length.mean, length.longest) == (8, 3.0, 4)
    assert length.longest_sentence == "Three four five six."


def test_every_document_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    printed = capsys.readouterr().out
    assert {"README.md", "docs/use.md", "docs/fr/use.md"} <= {line.split()[0] for line in printed.splitlines() if line}
    assert all(file.relative_to(TOP).as_posix() in printed for file in documents())
