"""The tests named in SECURITY.md and PRIVACY.md exist, in English and in French."""

import ast
import re

import pytest

from tests.support.samples import TOP

DOCUMENTS = ("SECURITY.md", "docs/fr/SECURITY.md", "PRIVACY.md", "docs/fr/PRIVACY.md")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def promises_of(document: str) -> list[str]:
    """Return the items of all lists, each as one line."""
    text = (TOP / document).read_text(encoding="utf-8")
    items = re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)
    return [re.sub(r"\s+", " ", item) for item in items]


def held_by(promise: str) -> list[tuple[str, str]]:
    return TEST.findall(promise)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_promise_names_tests_that_exist(document: str) -> None:
    promises = promises_of(document)
    assert len(promises) > 10
    for promise in promises:
        assert held_by(promise), promise
        for file, name in held_by(promise):
            functions = {
                node.name for node in ast.parse((TOP / file).read_text()).body if isinstance(node, ast.FunctionDef)
            }
            assert name in functions, f"{file}::{name}"


@pytest.mark.parametrize("name", ["SECURITY", "PRIVACY"])
def test_french_makes_the_same_promises_by_the_same_tests(name: str) -> None:
    english, french = promises_of(f"{name}.md"), promises_of(f"docs/fr/{name}.md")
    assert [held_by(promise) for promise in french] == [held_by(promise) for promise in english]
    settings = re.compile(r"BRAIN_MRI_[A-Z_]+")
    assert [settings.findall(promise) for promise in french] == [settings.findall(promise) for promise in english]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_names_no_address_of_a_person_or_site(document: str) -> None:
    assert re.findall(r"\S+@\S+|https?://\S+", (TOP / document).read_text(encoding="utf-8")) == []
