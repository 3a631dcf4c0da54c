"""The page as a browser without JavaScript gets it."""

import base64
import csv
import hashlib
import io
import json
import re
import tomllib
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from model.card import DISCLAIMER, WEIGHTS_FOLDER
from model.network.classifier import Classifier
from model.reading.one_file import FORMATS_IN_WORDS
from tests.support.client import multipart, sample
from tests.support.networks import change_card, save_tiny_model
from tests.support.page_states import made_volume
from tests.support.samples import TOP, sample_bytes
from web.page.documents import DOCUMENTS, VERSION, as_html
from web.page.views import SAMPLES
from web.service import service_of

NOT_A_PICTURE = b"hello, I am a text"


def result_of(page: str) -> str:
    return page.split('<article class="card result')[1].split("</article>")[0]


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_form_offers_a_field_for_files_and_every_sample(client: FlaskClient) -> None:
    page = client.get("/").text
    assert 'enctype="multipart/form-data"' in page
    assert re.findall(r'type="file" id="(\w+)"', page) == ["files", "camera"]
    assert re.findall(r'name="sample" value="(\w+)"', page) == [*SAMPLES]
    assert DISCLAIMER in page


def test_start_page_says_in_three_lines_and_an_image_what_goes_in_and_comes_out(client: FlaskClient) -> None:
    intro = client.get("/").text.split('<div class="intro')[1].split("</figure>")[0]
    said = [text_of(line) for line in re.findall(r"<li>(.*?)</li>", intro, re.DOTALL)]
    assert [line.split()[0] for line in said[:2]] == ["In:", "Out:"]
    assert "not stored" in said[-1]
    assert len(said) == 3
    assert 'src="/static/examples/result.webp"' in intro


def test_every_sample_has_its_source_and_licence(client: FlaskClient) -> None:
    page = text_of(client.get("/").text.split("Where they come from")[1].split("</details>")[0])
    for kind in ("Classes", "Volume", "Series", "Cat"):
        assert re.search(rf"{kind}: [^.]*\S.*? (CC0 1\.0|CC BY(-SA)? 3\.0)\.", page)


def test_form_names_every_format_that_is_read_in_both_languages(client: FlaskClient) -> None:
    formats = set(re.split(", | or ", FORMATS_IN_WORDS.template))
    assert {"HEIC", "DICOM", "MATLAB 7.3"} <= formats
    for language in ("en", "fr"):
        hint = text_of(re.findall(r'id="files-hint">(.*?)</p>', client.get(f"/?lang={language}").text, re.DOTALL)[0])
        assert [name for name in formats if name not in hint] == []


def test_upload_shows_probabilities_evidence_for_each_class_a_second_opinion_and_the_disclaimer(
    client: FlaskClient,
) -> None:
    answer = client.post("/", data={"files": sample()})
    assert answer.status_code == 200
    result = result_of(answer.text)
    rows = re.findall(r'<th scope="row">([^<]+)</th>.*?value="([\d.]+)"', result, re.DOTALL)
    assert {label for label, _ in rows} == {"Glioma", "Meningioma", "Pituitary tumor", "No tumor"}
    assert sum(float(share) for _, share in rows) == pytest.approx(1, abs=0.003)
    # The image, and a layer of evidence for any tumor and for each class.
    assert result.count('src="data:image/webp;base64,') == 6
    assert any(said in text_of(result.split("</h3>")[0]) for said in ("tumor", "models disagree"))
    assert "Any tumor: " in text_of(result)
    assert "vgg16 0.1 says:" in text_of(result)
    assert DISCLAIMER in result
    assert "<title>Result: " in answer.text


def test_result_says_what_was_done_and_by_which_model_to_which_file(client: FlaskClient) -> None:
    content = sample_bytes()
    result = text_of(result_of(client.post("/", data={"files": sample()}).text))
    card = service_of(client.application).classifiers["xception"].card
    assert "Read as JPEG, 512 × 512 pixels." in result
    assert "resized to 32 × 32 pixels" in result
    assert card.sha256 in result
    assert hashlib.sha256(content).hexdigest() in result
    assert re.search(r"by xception 0\.1 in [\d.]+ seconds, \d{4}-\d\d-\d\dT", result)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_button_gives_a_result(classifiers: dict[str, Classifier], name: str) -> None:
    answer = create_app({}, dict(classifiers)).test_client().post("/", data={"sample": name})
    assert answer.status_code == 200
    assert answer.text.count('<article class="card result') == 1


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Classifier]:
    """Models that always give the same answer, by that answer."""
    folder = tmp_path_factory.mktemp("decided")
    found = {}
    for name, task, layer, answers in (
        ("xception", "tumor_type", "feature_pool", ("glioma", "no_tumor")),
        ("vgg16", "tumor_presence", "flatten", ("tumor", "no_tumor")),
    ):
        for answer in answers:
            save_tiny_model(folder, name, task, layer, says=answer)
            found[f"{name} says {answer}"] = Classifier.load(folder / f"{name}.json")
    return found


@pytest.mark.parametrize("first", ["glioma", "no_tumor"])
@pytest.mark.parametrize("second", ["tumor", "no_tumor"])
def test_two_models_that_contradict_each_other_are_noticed_and_no_others(
    decided: dict[str, Classifier], first: str, second: str
) -> None:
    classifiers = {"xception": decided[f"xception says {first}"], "vgg16": decided[f"vgg16 says {second}"]}
    client = create_app(classifiers=classifiers).test_client()
    said = text_of(result_of(client.post("/", data={"sample": "glioma"}).text))
    assert f"Any tumor: {'under 1' if first == 'no_tumor' else 'over 99'}%" in said
    assert f"vgg16 0.1 says: {'No sign of a tumor.' if second == 'no_tumor' else 'Tumor likely'}" in said
    disagree = (first == "no_tumor") != (second == "no_tumor")
    assert ("The two models disagree" in said) == disagree


@pytest.mark.parametrize("first", ["glioma", "no_tumor"])
def test_card_names_its_thresholds_and_an_image_without_a_tumor_comes_without_colours(
    decided: dict[str, Classifier], first: str
) -> None:
    client = create_app(classifiers={"xception": decided[f"xception says {first}"]}).test_client()
    result = result_of(client.post("/", data={"sample": "glioma"}).text)
    assert re.search(
        r"The answer is “tumor” from a probability of \d+% on, “no sign of a tumor” under \d+%", text_of(result)
    )
    (checked,) = re.findall(r"<input[^>]*viewer-switch[^>]*\bchecked\b[^>]*>", result)
    assert ("viewer-switch-off" in checked) == (first == "no_tumor")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_percentages_of_cards_and_table_are_whole_and_written_as_the_language_does(
    client: FlaskClient, tmp_path: Path, language: str
) -> None:
    volume = made_volume(tmp_path).read_bytes()
    page = client.post(f"/?lang={language}", data={"files": [sample(), (io.BytesIO(volume), "head.nii.gz")]}).text
    results = re.sub(r"<[^>]+>", " ", page.split("<main")[1].split("<form")[0])
    written = re.findall(r"([\d.,]*\d)(\s*)%", unescape(results))
    assert len(written) > 40
    assert {space for _, space in written} == {"" if language == "en" else "\u202f"}
    assert [number for number, _ in written if not number.isdigit()] == []


@pytest.mark.parametrize(("share", "warns"), [(0.0, True), (0.8, False)])
def test_second_model_whose_evidence_lies_elsewhere_says_so(
    decided: dict[str, Classifier], tmp_path: Path, share: float, warns: bool
) -> None:
    save_tiny_model(tmp_path, "vgg16", "tumor_presence", "flatten", says="tumor")
    card = json.loads((tmp_path / "vgg16.json").read_text())
    card["metrics"] = json.loads((WEIGHTS_FOLDER / "vgg16.json").read_text())["metrics"]
    card["metrics"]["trust"]["heatmaps"]["hottest_point_in_box"] = share
    (tmp_path / "vgg16.json").write_text(json.dumps(card))
    second = Classifier.load(tmp_path / "vgg16.json")
    client = create_app(classifiers={"xception": decided["xception says glioma"], "vgg16": second}).test_client()
    said = text_of(result_of(client.post("/", data={"sample": "glioma"}).text))
    assert ("It may rely on the look of the image" in said) == warns


def test_results_can_be_saved_as_csv_and_json_without_a_script(client: FlaskClient) -> None:
    page = client.post("/", data={"files": [sample("glioma"), (io.BytesIO(NOT_A_PICTURE), "b.png")]}).text
    found = re.findall(r'href="data:(text/csv|application/json);charset=utf-8;base64,([^"]+)"', page)
    saved = {kind: base64.b64decode(content).decode() for kind, content in found}
    rows = list(csv.DictReader(io.StringIO(saved["text/csv"])))
    results = json.loads(saved["application/json"])["results"]
    assert [row["kind"] for row in rows] == ["image", "refused"]
    assert float(rows[0]["p_glioma"]) == pytest.approx(results[0]["probabilities"]["glioma"], abs=5e-5)
    assert rows[0]["sha256"] == results[0]["input_sha256"]
    assert rows[0]["model_version"] == "0.1"
    assert rows[0]["disclaimer"] == DISCLAIMER
    assert "a text or a table" in rows[1]["error"]
    assert results[1]["error"]["code"] == "unsupported_format"


def test_table_for_a_french_excel_has_semicolons_and_decimal_commas(client: FlaskClient) -> None:
    page = client.post("/?lang=fr", data={"files": sample("glioma")}).text
    tables = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', page)
    french, plain = (base64.b64decode(content).decode("utf-8-sig") for content in tables)
    (row,), (same,) = csv.DictReader(io.StringIO(plain)), csv.DictReader(io.StringIO(french), delimiter=";")
    assert same["p_glioma"] == row["p_glioma"].replace(".", ",") != row["p_glioma"]


def test_page_says_which_samples_a_model_names_no_class_for_and_which_it_gets_wrong(tmp_path: Path) -> None:
    save_tiny_model(tmp_path, "xception", "tumor_type", "feature_pool")
    samples = {"glioma": "uncertain", "meningioma": "glioma", "pituitary": "pituitary", "no_tumor": "no_tumor"}
    change_card(tmp_path, metrics={"samples": samples})
    page = text_of(
        create_app({}, {"xception": Classifier.load(tmp_path / "xception.json")}).test_client().get("/").text
    )
    assert "xception 0.1 names no class for: Glioma." in page
    assert "xception 0.1 is wrong about: Meningioma." in page


def test_script_gets_one_card_per_file_as_lines_of_json(client: FlaskClient) -> None:
    files = [sample("glioma"), (io.BytesIO(NOT_A_PICTURE), "b.png")]
    answer = client.post("/cards", data={"files": files, "number": "7"})
    assert answer.mimetype == "application/x-ndjson"
    cards = [json.loads(line)["card"] for line in answer.text.splitlines()]
    assert 'id="result-7"' in cards[0]
    assert 'id="result-8"' in cards[1]
    assert "a text or a table" in cards[1]


def test_script_gets_a_problem_where_the_whole_request_is_refused(client: FlaskClient) -> None:
    answer = client.post("/cards", data={}, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert json.loads(answer.data)["code"] == "missing_file"


def test_page_without_its_samples_is_below_100_kb(client: FlaskClient) -> None:
    page = client.get("/", buffered=True).text
    # What the page names, and what its script imports at once.
    addresses = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page)) | {"/static/files.js", "/static/results.js"}
    addresses -= {f"/static/{file}" for file in SAMPLES.values()}
    addresses = {address for address in addresses if not re.search(r"examples/(volume|series|cat)", address)}
    assert "/static/examples/result.webp" in addresses
    sizes = {address: len(client.get(address, buffered=True).data) for address in addresses}
    assert len(page.encode()) + sum(sizes.values()) < 100_000, sizes


@pytest.mark.parametrize("language", ["en", "fr"])
def test_footer_names_the_version_and_links_to_documents_that_there_are(client: FlaskClient, language: str) -> None:
    page = client.get(f"/?lang={language}").text.split("<footer")[1]
    assert f"ersion {VERSION}." in text_of(page)
    links = re.findall(r'href="([^"]+)"', page)
    assert {unescape(link).split("?")[0] for link in links} == {
        "/api/docs", *(f"/documents/{name}" for name in DOCUMENTS),
    }  # fmt: skip
    for link in links:
        assert client.get(unescape(link)).status_code == 200
    privacy = client.get(f"/documents/privacy?lang={language}").text
    assert ("Ce que devient ce que vous envoyez" in privacy) == (language == "fr")


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_document_is_a_page_with_every_word_of_the_file_and_no_mark_of_markdown(
    client: FlaskClient, name: str, language: str
) -> None:
    page = client.get(f"/documents/{name}?lang={language}").text.split("<article")[1].split("</article>")[0]
    prose = text_of(re.sub(r"<(pre|code).*?</\1>", " ", page, flags=re.DOTALL))
    assert not re.search(r"\*\*|\]\(|^#|\| |```", prose)
    file = {
        "readme": "README.md", "use": "docs/use.md", "model-card": "MODEL_CARD.md",
        "privacy": "PRIVACY.md", "licence": "LICENSE",
    }[name]  # fmt: skip
    translated = TOP / "docs" / language / Path(file).name
    source = (translated if translated.is_file() else TOP / file).read_text(encoding="utf-8")
    words = re.findall(
        r"[^\W\d_]{5,}", re.sub(r"!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|<!--.*?-->|\A# .*|```\w+", "", source)
    )
    assert set(words) <= set(re.findall(r"[^\W\d_]{5,}", text_of(page)))


def test_markdown_never_becomes_other_html() -> None:
    html = as_html("<script>alert(1)</script> [x](javascript:alert(1)) `<b>`\n\n| a |\n| - |\n| <i> |\n")
    assert not re.search(r"<(script|b|i|a)\b", html)


def test_document_keeps_the_text_of_links_into_the_repository_and_the_links_to_others() -> None:
    html = as_html("# Title\n<!-- made -->\n![a](b.png) [use](docs/use.md) [*doi*](https://doi.org/1)\n")
    assert html.strip() == '<p> use <a href="https://doi.org/1"><em>doi</em></a></p>'


def test_table_and_code_of_a_document_can_be_scrolled_with_the_keyboard_and_have_no_style() -> None:
    html = as_html("| a |\n| -: |\n| 1 |\n\n```sh\nmake\n```\n")
    assert re.findall(r'<(\w+)[^>]* tabindex="0"', html) == ["div", "pre"]
    assert '<th scope="col">a</th>' in html
    assert "style=" not in html


def test_lines_of_french_documents_do_not_break_before_a_high_mark_or_in_guillemets(client: FlaskClient) -> None:
    page = client.get("/documents/use?lang=fr").text.split("<article")[1].split("</article>")[0]
    prose = re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)
    assert "97\u202f%" in prose
    assert re.findall(r" [:;?!%»]|« ", prose) == []


def test_version_of_the_footer_is_the_projects() -> None:
    assert tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION


def test_other_documents_are_not_found(client: FlaskClient) -> None:
    assert client.get("/documents/../app.py").status_code == 404
    assert client.get("/documents/app.py").status_code == 404


def test_several_files_are_answered_in_their_order_and_a_bad_one_in_its_place(client: FlaskClient) -> None:
    files = [sample("glioma"), (io.BytesIO(NOT_A_PICTURE), "b.png"), sample("no_tumor")]
    answer = client.post("/", data={"files": files})
    assert answer.status_code == 200
    results = answer.text.split('<article class="card result')[1:]
    assert len(results) == 3
    assert "a text or a table" in results[1]
    assert all("data:image/webp" in results[i] for i in (0, 2))


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({}, 400, "Choose a file first."),
        ({"files": (io.BytesIO(b""), "empty.jpg")}, 400, "This file is empty"),
        ({"files": (io.BytesIO(NOT_A_PICTURE), "a.jpg")}, 415, "a text or a table"),
        ({"files": (io.BytesIO(b"\xff\xd8\xff" + bytes(40)), "a.jpg")}, 422, "cut off or damaged"),
        ({"sample": "../../etc/passwd"}, 400, "sample among"),
    ],
)
def test_refusal_keeps_the_form_and_says_what_to_do(
    client: FlaskClient, form: dict[str, object], status: int, sentence: str
) -> None:
    answer = client.post("/", **multipart(form))
    assert answer.status_code == status
    assert "<title>Error: " in answer.text
    # Once in the summary that takes focus, once at the field.
    assert text_of(answer.text).count(sentence) == 2
    assert 'aria-describedby="files-hint files-error"' in answer.text
    assert 'type="file"' in answer.text


def test_page_asks_nothing_of_another_server(client: FlaskClient) -> None:
    page = client.post("/", data={"sample": "glioma"}).text
    assert re.findall(r'(?:src|href|action)="((?:https?:)?//[^"]*)"', page) == []
    assert "style=" not in page
    assert "<script>" not in page
