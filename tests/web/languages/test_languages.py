"""French and English: chosen by browser or switch, complete, and the same numbers in both."""

import io
import json
import re
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import web.languages.languages
from app import create_app
from model.network.classifier import Classifier
from model.sentences import Sentence
from tests.support.client import multipart, sample
from web import catalogue

FRENCH = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}


@pytest.mark.parametrize(
    ("address", "header", "language"),
    [
        ("/", "", "en"),
        ("/", "fr", "fr"),
        ("/", "de,fr;q=0.5", "fr"),
        ("/", "de", "en"),
        ("/?lang=fr", "en", "fr"),
        ("/?lang=en", "fr", "en"),
        ("/?lang=xx", "fr", "fr"),
    ],
)
def test_language_is_that_of_the_switch_else_of_the_browser(
    client: FlaskClient, address: str, header: str, language: str
) -> None:
    answer = client.get(address, headers={"Accept-Language": header})
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]


def test_language_that_was_switched_to_stays_for_what_the_page_asks_next(client: FlaskClient) -> None:
    page = client.get("/?lang=fr").text
    assert re.findall(r'(?:action|data-stream)="([^"]+)"', page) == ["/?lang=fr", "/cards?lang=fr", "/?lang=fr"]
    assert "Gliome" in client.post("/?lang=fr", data={"sample": "glioma"}).text


@pytest.mark.parametrize("path", ["/", "/api/docs", "/documents/use"])
def test_switch_leads_to_the_same_page(client: FlaskClient, path: str) -> None:
    page = client.get(f"{path}?lang=en").text
    assert re.search(r'href="([^"]+)" lang="fr"', page)[1] == f"{path}?lang=fr"


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/"), ("POST", "/nowhere")])
def test_switch_leads_to_the_start_page_from_what_cannot_be_had_again(
    client: FlaskClient, method: str, path: str
) -> None:
    page = client.open(path, method=method).text
    assert re.search(r'href="([^"]+)" lang="fr"', page)[1] == "/?lang=fr"


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("GET", "/documents/nothing"), ("POST", "/documents/use")]
)
def test_error_page_links_to_the_start_page_in_its_language(
    client: FlaskClient, method: str, path: str, language: str
) -> None:
    answer = client.open(path, method=method, headers={"Accept-Language": language})
    assert answer.status_code in {404, 405}
    summary = answer.text.split('class="error-summary"')[1].split("</div>")[0]
    (link,) = re.findall(r'href="([^"]+)"', summary)
    start = client.get(link)
    assert start.status_code == 200
    assert f'<html lang="{language}">' in start.text


def test_french_result_has_the_same_numbers_as_the_english_one(client: FlaskClient) -> None:
    def shares(language: str) -> list[float]:
        page = client.post(f"/?lang={language}", data={"files": sample()}).text
        found = re.findall(r'class="number">([\d]+)\s?%', page)
        assert found
        return [int(share) for share in found]

    assert shares("fr") == shares("en")
    assert re.search(r'class="number">\d+\u202f%', client.post("/?lang=fr", data={"files": sample()}).text)


def test_api_speaks_the_language_of_the_request(client: FlaskClient) -> None:
    refusal = client.post("/api/v1/predictions", **multipart({}), headers=FRENCH)
    assert json.loads(refusal.data)["detail"].startswith("Choisissez d’abord un fichier")
    answer = client.post("/api/v1/predictions", data={"files": sample()}, headers=FRENCH)
    assert answer.json["disclaimer"].startswith("Pour la recherche")
    assert answer.json["results"][0]["answer"] in {"glioma", "meningioma", "no_tumor", "pituitary"}


@pytest.mark.parametrize("path", ["/", "/api/v1/predictions"])
def test_too_large_upload_is_refused_in_french(client: FlaskClient, path: str) -> None:
    answer = client.post(path, **multipart({"files": (io.BytesIO(bytes(2_100_000)), "big.png")}), headers=FRENCH)
    assert "Attendu" in answer.text


@pytest.mark.parametrize("language", list(web.languages.languages.LANGUAGES)[1:])
def test_every_sentence_is_translated_and_its_values_kept(language: str) -> None:
    translated = {message.id: message.string for message in catalogue.read(language) if message.id}
    wanted = {message.id for message in catalogue.template() if message.id}
    assert wanted == set(translated), "run `python -m web.catalogue`"
    assert [text for text, translation in translated.items() if not translation] == []
    values = re.compile(r"%\(\w+\)s|\{\w+[^}]*\}")
    for text, translation in translated.items():
        assert sorted(values.findall(text)) == sorted(values.findall(translation)), text


def test_french_lines_do_not_break_before_a_high_mark_or_in_guillemets() -> None:
    assert [m.string for m in catalogue.read("fr") if m.id and re.search(r" [:;?!»]| %(?!\()|« ", m.string)] == []


@pytest.mark.parametrize("language", list(web.languages.languages.LANGUAGES)[1:])
def test_compiled_catalogue_is_that_of_the_translators(language: str) -> None:
    file = catalogue.po_file(language).with_suffix(".mo")
    assert file.read_bytes() == catalogue.compiled(catalogue.read(language)), "run `python -m web.catalogue`"


def test_certain_answer_has_no_reason_in_any_language(client: FlaskClient) -> None:
    answer = client.post("/api/v1/predictions", data={"files": sample()}, headers=FRENCH)
    assert answer.json["results"][0]["reason"] == ""


def test_sentence_within_a_sentence_is_translated_too() -> None:
    words = {"Expected {what}.": "Attendu : {what}.", "an image": "une image"}
    sentence = Sentence("Expected {what}.", what=Sentence("an image"))
    assert sentence == "Expected an image."
    assert sentence.said_in(lambda text: words.get(text, text)) == "Attendu : une image."


class Texts(HTMLParser):
    """Collects what a person reads or hears: text, attributes with text, and the script's sentences."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_starttag(self, _: str, attributes: list[tuple[str, str | None]]) -> None:
        self.texts += [
            value or "" for name, value in attributes if name in {"alt", "title", "aria-label", "placeholder"}
        ]

    def handle_data(self, data: str) -> None:
        self.texts += json.loads(data).values() if self.cdata_elem == "script" and data.strip() else [data]


# Names, units and marks that are the same in every language.
_NO_WORDS = re.compile(
    r"xception|vgg16|Tiny|SHA-256|CSV|JSON|English|Français|[0-9a-f]{64}|px|\d{4}-\d\d-\d\dT[\d:]+Z|\.\d+"
)


def marked_catalogue(folder: Path) -> None:
    """Write a fake "French" with every sentence in brackets."""
    catalog = catalogue.read("fr")
    for message in catalog:
        if message.id:
            message.string = f"⟦{message.id}⟧"
    target = folder / "fr" / "LC_MESSAGES" / "messages.mo"
    target.parent.mkdir(parents=True)
    target.write_bytes(catalogue.compiled(catalog))


def words_outside(page: str) -> set[str]:
    """Return the words of a page that the marked catalogue did not say."""
    reader = Texts()
    reader.feed(page)
    outside: list[str] = []
    for text in reader.texts:
        while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
            text = shorter
        outside += re.findall(r"[^\W\d_]{2,}", _NO_WORDS.sub("", text))
    return set(outside)


def test_no_word_of_the_api_s_page_but_code_and_names_escapes_the_catalogue(
    classifiers: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked_catalogue(tmp_path)
    monkeypatch.setattr(web.languages.languages, "TRANSLATIONS", tmp_path)
    page = create_app({}, dict(classifiers)).test_client().get("/api/docs?lang=fr").text
    prose = re.sub(r"<code.*?</code>", "", page, flags=re.DOTALL)
    phrases = {word for status in HTTPStatus for word in re.findall(r"\w+", status.phrase)}
    schemas = set(re.findall(r'id="schema-(\w+)"', page))
    assert words_outside(prose) - phrases - schemas == set()


@pytest.mark.parametrize(
    "form", [None, {"sample": "glioma"}, {"sample": "none"}, {"files": [sample(), (io.BytesIO(b"x"), "b.png")]}]
)
def test_no_word_of_the_page_escapes_the_catalogue(
    classifiers: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: dict[str, object] | None
) -> None:
    marked_catalogue(tmp_path)
    monkeypatch.setattr(web.languages.languages, "TRANSLATIONS", tmp_path)
    client = create_app({"MAX_FILES": 3}, dict(classifiers)).test_client()
    answer = client.get("/?lang=fr") if form is None else client.post("/?lang=fr", **multipart(form))
    outside = words_outside(answer.text)
    # The tiny models' cards are no published ones.
    assert outside - {"Tests", "Knows", "nothing", "tiny", "tumor", "type", "presence", "network"} == set()
