"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import csv
import html
import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.records import PAGE_COLUMNS, write_csv
from tests.support.heads import series
from tests.support.networks import models_that_answer
from tests.support.page_states import FLAGS, made_volume, open_state
from tests.support.samples import SAMPLES, TOP
from tests.support.server import served

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def addresses(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Servers whose first model answers with a class, or always "uncertain", or always "not a brain MRI"."""
    with ExitStack() as servers:
        found = {}
        for answer in ("class", UNCERTAIN, NOT_BRAIN_MRI):
            folder = models_that_answer(answer, tiny_models, tmp_path_factory.mktemp("models") / "models")
            host, port = servers.enter_context(served(folder))
            found[answer] = f"http://{host}:{port}/"
        yield found


@pytest.fixture(scope="module")
def address(addresses: dict[str, str]) -> str:
    return addresses["class"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The start page; afterwards the console must have no errors, and no request may have gone to another site."""
    context = browser.new_context(**getattr(request, "param", {}))
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else errors.append(r.url))
    # The page asks before its list is lost.
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    yield page
    context.close()
    assert errors == []


def with_and_without_script(test: Any) -> Any:
    settings = [{"java_script_enabled": True}, {"java_script_enabled": False}]
    return pytest.mark.parametrize("opened", settings, ids=["script", "no script"], indirect=True)(test)


def classify(page: Any, *files: Path | str) -> None:
    page.set_input_files("#files", list(files))
    page.get_by_role("button", name="Classify").click()


def wait_for_cards(page: Any, n: int = 1) -> None:
    """Wait for the last card, then for the last byte: elements appear before the page is complete."""
    page.locator(".result").nth(n - 1).wait_for(state="attached")
    page.wait_for_load_state("load")


def shares(page: Any) -> dict[str, float]:
    rows = page.locator(".probabilities tbody tr")
    return {r.locator("th").inner_text(): float(r.locator("meter").get_attribute("value")) for r in rows.all()}


@with_and_without_script
def test_uploaded_sample_shows_class_probabilities_and_evidence(opened: Any) -> None:
    classify(opened, SAMPLES / "meningioma.jpg")
    wait_for_cards(opened)
    found = shares(opened)
    assert sum(found.values()) == pytest.approx(1, abs=0.003)
    assert "tumor" in opened.locator(".result-class").inner_text().lower()
    assert opened.locator(".slice").evaluate("image => image.naturalWidth") == 591
    assert "Not a medical device" in opened.locator(".result").inner_text()


@with_and_without_script
def test_evidence_of_each_class_or_none_is_shown_as_chosen(opened: Any) -> None:
    classify(opened, SAMPLES / "glioma.jpg")
    wait_for_cards(opened)
    layers, labels = opened.locator(".layer"), opened.locator(".viewer-label")
    assert labels.count() == 6
    for chosen in range(6):
        labels.nth(chosen).click()
        assert [layers.nth(i).is_visible() for i in range(5)] == [i == chosen for i in range(5)]


@pytest.mark.parametrize("opened", [{"java_script_enabled": False}], indirect=True)
def test_nothing_is_shown_that_only_a_script_could_do(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    assert not opened.get_by_role("slider").is_visible()
    for name in ("Dark", "Print or save as PDF", "Empty the list", "Cancel"):
        assert opened.get_by_role("button", name=name).count() == 0


def test_opacity_of_the_evidence_follows_the_slider(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    slider = opened.get_by_role("slider", name="Opacity of the colours")
    slider.focus()
    opened.keyboard.press("Home")
    assert opened.locator(".layer").first.evaluate("layer => getComputedStyle(layer).opacity") == "0"
    opened.keyboard.press("End")
    assert opened.locator(".layer").first.evaluate("layer => getComputedStyle(layer).opacity") == "1"


@with_and_without_script
def test_sample_button_answers(opened: Any) -> None:
    opened.get_by_role("button", name="Pituitary tumor").click()
    wait_for_cards(opened)
    assert set(shares(opened)) == {"Glioma", "Meningioma", "Pituitary tumor", "No tumor"}


@with_and_without_script
def test_several_files_are_answered_in_their_order_and_a_wrong_one_in_its_place(opened: Any) -> None:
    classify(opened, SAMPLES / "glioma.jpg", TOP / "README.md", SAMPLES / "no_tumor.jpg")
    wait_for_cards(opened, 3)
    cards = [card.inner_text() for card in opened.locator(".result").all()]
    assert [text.split()[1].rstrip(":") for text in cards] == ["1", "2", "3"]
    assert "a text or a table" in cards[1]
    assert all("Any tumor" in cards[i] for i in (0, 2))


def test_file_names_stand_on_the_cards_and_in_the_table_but_only_in_the_browser(opened: Any) -> None:
    classify(opened, SAMPLES / "glioma.jpg")
    wait_for_cards(opened)
    assert "Result 1: glioma.jpg" in opened.locator(".result").inner_text()


def test_saved_table_and_document_hold_every_result_of_the_page(opened: Any, tmp_path: Path) -> None:
    classify(opened, SAMPLES / "glioma.jpg", TOP / "README.md")
    wait_for_cards(opened, 2)
    opened.get_by_role("button", name="Pituitary tumor").click()
    wait_for_cards(opened, 3)
    with opened.expect_download() as download:
        save(opened, "csv")
    download.value.save_as(tmp_path / "results.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text("utf-8-sig"))))
    assert [(row["number"], row["kind"], row["file"]) for row in rows] == [
        ("1", "image", "glioma.jpg"), ("2", "refused", "README.md"), ("3", "image", ""),
    ]  # fmt: skip
    with opened.expect_download() as download:
        save(opened, "json")
    download.value.save_as(tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    assert [result.get("answer") is None for result in document["results"]] == [False, True, False]
    assert document["results"][0]["input_sha256"] == rows[0]["sha256"]
    assert "Not a medical device" in document["disclaimer"]


def save(page: Any, kind: str) -> None:
    page.get_by_text("Save or print").or_(page.get_by_text("Enregistrer ou imprimer")).click()
    page.locator(f"[data-download={kind}]").click()


@with_and_without_script
def test_what_can_be_saved_is_a_menu(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    menu = opened.locator("[data-menu]")
    assert not menu.get_by_role("link").first.is_visible()
    menu.locator("summary").click()
    assert [link.inner_text() for link in menu.get_by_role("link").all()] == ["Save table (CSV)", "Save all (JSON)"]
    menu.locator("summary").click()
    assert not menu.get_by_role("link").first.is_visible()


def test_table_made_in_the_browser_is_the_one_that_the_server_would_write(opened: Any, tmp_path: Path) -> None:
    (tmp_path / '=1+1,"x".jpg').write_bytes((SAMPLES / "glioma.jpg").read_bytes())
    classify(opened, tmp_path / '=1+1,"x".jpg')
    classify(opened, made_volume(tmp_path, n_slices=4))
    wait_for_cards(opened, 2)
    with opened.expect_download() as download:
        save(opened, "csv")
    download.value.save_as(tmp_path / "results.csv")
    cards = opened.evaluate(
        "() => [...document.querySelectorAll('[data-card]')].map((card) => [card.dataset.file, card.dataset.rows])"
    )
    expected = io.StringIO(newline="")
    write_csv(expected, PAGE_COLUMNS, ({**row, "file": name} for name, rows in cards for row in json.loads(rows)))
    written = (tmp_path / "results.csv").read_bytes().decode("utf-8-sig")
    assert written == expected.getvalue()
    assert "'=1+1" in written


def test_files_of_one_upload_keep_their_own_names(opened: Any, tmp_path: Path) -> None:
    names = ["IM0001", "IM0002", "IM0003"]
    contents = [*series()[9:11], Path(get_testdata_file("CT_small.dcm")).read_bytes()]
    for name, content in zip(names, contents, strict=True):
        (tmp_path / name).write_bytes(content)
    classify(opened, *(tmp_path / name for name in names))
    wait_for_cards(opened, 2)
    headings = [heading.inner_text() for heading in opened.locator(".result-number").all()]
    assert headings == ["Result 1: IM0001 … IM0002, 2 files", "Result 2: IM0003"]


def test_file_that_the_script_holds_back_is_in_the_table_too_and_can_be_removed(opened: Any, tmp_path: Path) -> None:
    with (tmp_path / "big.png").open("wb") as big:
        big.truncate(257_000_000)
    classify(opened, str(tmp_path / "big.png"))
    opened.get_by_role("button", name="Remove").wait_for()
    with opened.expect_download() as download:
        save(opened, "csv")
    download.value.save_as(tmp_path / "results.csv")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text("utf-8-sig")))
    assert (row["file"], row["kind"]) == ("big.png", "refused")
    assert "at most 256 MB" in row["error"]
    opened.get_by_role("button", name="Remove").click()
    assert opened.locator(".refusal:visible").count() == 0


def test_file_for_which_the_server_was_too_busy_can_be_sent_again(opened: Any) -> None:
    asked: list[Any] = []

    def busy(route: Any) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()
            return
        answer = route.fetch()
        line = json.loads(answer.text().splitlines()[-1])
        error = {"files": [0], "error": {"code": "overloaded", "detail": "The server is busy."}}
        record = html.escape(json.dumps(error))
        line["card"] = re.sub('data-record="[^"]*"', lambda _: f'data-record="{record}"', line["card"])
        route.fulfill(response=answer, body=json.dumps(line) + "\n")

    opened.route("**/cards", busy)
    classify(opened, SAMPLES / "glioma.jpg")
    opened.get_by_role("button", name="Send again").click()
    wait_for_cards(opened)
    assert opened.locator(".result-class").inner_text().startswith("Result 2: glioma.jpg")


def batch(page: Any, *names: str) -> Any:
    """Classify samples and return the rows of the table."""
    classify(page, *(SAMPLES / f"{name}.jpg" for name in names))
    wait_for_cards(page, len(names))
    return page.locator("[data-row]")


def test_several_results_are_a_table_and_a_row_opens_its_card(opened: Any) -> None:
    rows = batch(opened, "glioma", "no_tumor", "pituitary")
    assert [row.locator("th").inner_text() for row in rows.all()] == [
        "Result 1: glioma.jpg", "Result 2: no_tumor.jpg", "Result 3: pituitary.jpg",
    ]  # fmt: skip
    assert opened.locator(".result:visible").count() == 0
    rows.nth(1).get_by_role("link").click()
    assert opened.locator(".result:visible").count() == 1
    assert opened.evaluate("() => document.activeElement.id") == "result-2"
    rows.nth(1).get_by_role("link").click()
    assert opened.locator(".result:visible").count() == 0


def test_several_files_are_a_table_from_the_first_result_on(opened: Any) -> None:
    held: list[Any] = []
    opened.route("**/cards", lambda route: held.append(route) if held else (held.append(route), route.continue_()))
    classify(opened, SAMPLES / "glioma.jpg", SAMPLES / "no_tumor.jpg")
    opened.locator("[data-row]").wait_for()
    assert opened.locator(".result:visible").count() == 0
    # The other one is cancelled: the lone result needs no table.
    opened.get_by_role("button", name="Cancel").click()
    assert opened.locator(".result:visible").count() == 1
    assert not opened.locator("[data-table]").is_visible()


def test_file_that_is_sent_alone_opens_its_card_and_a_card_that_is_read_stays_open(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    opened.get_by_role("button", name="Meningioma").click()
    # The user goes on reading the first card.
    opened.locator("#result-1").focus()
    wait_for_cards(opened, 2)
    assert [card.get_attribute("data-number") for card in opened.locator(".result:visible").all()] == ["1"]
    opened.get_by_role("button", name="Pituitary tumor", exact=True).click()
    wait_for_cards(opened, 3)
    opened.wait_for_function("() => document.activeElement.id === 'result-3'")
    assert [card.get_attribute("data-number") for card in opened.locator(".result:visible").all()] == ["3"]


def test_rows_that_come_later_are_sorted_too(opened: Any) -> None:
    batch(opened, "glioma", "no_tumor")
    for _ in range(2):
        opened.get_by_role("button", name="Sort by: Result").click()
    classify(opened, SAMPLES / "pituitary.jpg")
    opened.locator("[data-row]").nth(2).wait_for()
    assert [row.get_attribute("data-number") for row in opened.locator("[data-row]").all()] == ["3", "2", "1"]


def test_table_is_sorted_filtered_and_loses_rows(opened: Any) -> None:
    rows = batch(opened, "glioma", "no_tumor", "pituitary")
    for _ in range(2):
        opened.get_by_role("button", name="Sort by: Result").click()
    assert [row.get_attribute("data-number") for row in rows.all()] == ["3", "2", "1"]
    assert opened.locator("[aria-sort=descending]").inner_text().startswith("Result")
    groups = [row.get_attribute("data-group") for row in rows.all()]
    assert opened.locator("[data-filter] option[value='']").inner_text() == "all (3)"
    assert f"({groups.count(groups[0])})" in opened.locator(f"[data-filter] option[value={groups[0]}]").inner_text()
    opened.locator("[data-filter]").select_option(groups[0])
    assert opened.locator("[data-row]:visible").count() == groups.count(groups[0])
    opened.locator("[data-filter]").select_option("")
    opened.get_by_role("button", name="Remove - Result 2").click()
    assert [row.get_attribute("data-number") for row in rows.all()] == ["3", "1"]
    assert opened.locator(".result").count() == 2


def test_rows_without_a_probability_come_last_in_either_order(opened: Any) -> None:
    classify(opened, TOP / "README.md", SAMPLES / "glioma.jpg", SAMPLES / "no_tumor.jpg")
    wait_for_cards(opened, 3)
    for _ in range(2):
        opened.get_by_role("button", name="Sort by: Tumor").click()
        assert "README.md" in opened.locator("[data-row]").last.inner_text()


def test_two_ticked_rows_show_two_cards_side_by_side(opened: Any) -> None:
    rows = batch(opened, "glioma", "no_tumor", "pituitary")
    for i in range(3):
        rows.nth(i).get_by_role("checkbox").check()
    assert [box.is_checked() for box in opened.get_by_role("checkbox").all()] == [False, True, True]
    left, right = (card.bounding_box() for card in opened.locator(".result:visible").all())
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]


def test_marked_diagnoses_are_counted_and_saved(opened: Any, tmp_path: Path) -> None:
    rows = batch(opened, "glioma", "no_tumor")
    rows.nth(0).get_by_role("combobox").select_option("meningioma")
    rows.nth(1).get_by_role("combobox").select_option("no_tumor")
    said = opened.locator("[data-score]").inner_text()
    groups = [row.get_attribute("data-group") for row in rows.all()]
    assert said.startswith("Marked: 2. Right: ")
    assert f"Tumors found: {[groups[0]].count('tumor')} of 1" in said
    assert f"Absence of a tumor recognised: {[groups[1]].count('no_tumor')} of 1" in said
    with opened.expect_download() as download:
        save(opened, "csv")
    download.value.save_as(tmp_path / "results.csv")
    rows_saved = csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text("utf-8-sig")))
    assert [row["true_diagnosis"] for row in rows_saved] == ["meningioma", "no_tumor"]


def test_files_of_a_zip_have_their_own_names_in_page_and_table(opened: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("folder/", "")
        for name in ("glioma", "no_tumor"):
            archive.write(SAMPLES / f"{name}.jpg", f"folder/{name}.jpg")
    classify(opened, tmp_path / "both.zip")
    wait_for_cards(opened, 2)
    assert [row.locator("th").inner_text() for row in opened.locator("[data-row]").all()] == [
        "Result 1: both.zip/folder/glioma.jpg", "Result 2: both.zip/folder/no_tumor.jpg",
    ]  # fmt: skip


def test_series_of_one_choice_are_sent_one_by_one(opened: Any, tmp_path: Path) -> None:
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url) if "/cards" in request.url else None)
    for i, content in enumerate([*series()[9:11], *series(uid="4.5.6")[9:11]]):
        (tmp_path / f"IM{i}").write_bytes(content)
    classify(opened, *(tmp_path / f"IM{i}" for i in (0, 2, 1, 3)))
    wait_for_cards(opened, 2)
    assert len(asked) == 2
    headings = [heading.text_content().strip() for heading in opened.locator(".result-number").all()]
    assert headings == ["Result 1: IM0 … IM1, 2 files", "Result 2: IM2 … IM3, 2 files"]


def test_file_that_is_dropped_on_results_is_sent_at_once(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    opened.evaluate("""() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["no image"], "a.png", { type: "image/png" }));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }""")
    wait_for_cards(opened, 1)
    opened.locator("[data-row]").nth(1).wait_for()
    assert "a.png" in opened.locator("[data-row]").nth(1).inner_text()


def test_french_table_opens_as_columns_in_a_french_spreadsheet(opened: Any, address: str, tmp_path: Path) -> None:
    opened.goto(f"{address}?lang=fr")
    opened.set_input_files("#files", SAMPLES / "glioma.jpg")
    opened.locator(".button").click()
    wait_for_cards(opened)
    with opened.expect_download() as download:
        save(opened, "excel")
    download.value.save_as(tmp_path / "results.csv")
    text = (tmp_path / "results.csv").read_text("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text), delimiter=";")
    assert re.fullmatch(r"[01],\d{6}", row["tumor_probability"])


@pytest.mark.parametrize(("language", "copy", "copied"), [("en", "Copy", "Copied"), ("fr", "Copier", "Copié")])
def test_example_of_the_api_is_copied_by_its_button(
    opened: Any, address: str, language: str, copy: str, copied: str
) -> None:
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.goto(f"{address}api/docs?lang={language}")
    opened.get_by_role("button", name=copy).first.click()
    opened.get_by_role("button", name=copied).wait_for()
    assert opened.evaluate("() => navigator.clipboard.readText()") == opened.locator("#example-curl").inner_text()


@with_and_without_script
def test_introduction_goes_when_results_come(opened: Any) -> None:
    assert opened.locator(".intro-picture img").evaluate("image => image.naturalWidth") > 0
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    assert opened.locator(".intro:visible").count() == 0
    # Once on the card, and in the footer of the page.
    assert opened.locator("p:visible", has_text="Not a medical device").count() == 2


def test_theme_and_language_are_kept(opened: Any, address: str) -> None:
    opened.get_by_role("button", name="Dark").click()
    opened.get_by_role("link", name="Français").click()
    opened.goto(address)
    opened.wait_for_url("**/?lang=fr")
    assert opened.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_other_language_keeps_results_marks_and_chosen_files(opened: Any, address: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for name in ("glioma", "no_tumor"):
            archive.write(SAMPLES / f"{name}.jpg", f"{name}.jpg")
    classify(opened, tmp_path / "both.zip", TOP / "README.md")
    wait_for_cards(opened, 3)
    opened.get_by_role("button", name="Pituitary tumor", exact=True).click()
    wait_for_cards(opened, 4)
    opened.get_by_role("button", name="Remove - Result 1").click()
    opened.locator("[data-truth]").nth(0).select_option("no_tumor")
    opened.get_by_role("button", name="Sort by: Tumor").click()
    opened.get_by_role("button", name="Sort by: Result").click()
    opened.get_by_role("button", name="Sort by: Result").click()
    opened.locator("[data-filter]").select_option("refused")
    opened.get_by_role("link", name="README.md").click()
    opened.set_input_files("#files", SAMPLES / "meningioma.jpg")
    # The second click comes before all answers to the first.
    for language in ("Français", "English", "Français"):
        opened.get_by_role("link", name=language).click()
        opened.locator(f"html[lang={language[:2].lower()}]").wait_for()
    opened.locator("[data-row]").nth(2).wait_for(state="attached")
    # Sorted and filtered as before, with the same card open.
    names = [name.text_content().strip() for name in opened.locator("[data-row] th").all()]
    assert [name.replace("\u202f", " ") for name in names] == [
        "Résultat 4 : Exemple « Tumeur hypophysaire »", "Résultat 3 : README.md", "Résultat 2 : both.zip/no_tumor.jpg",
    ]  # fmt: skip
    assert opened.locator("th[aria-sort=descending]").inner_text().strip() == "Résultat"
    assert opened.locator("[data-row]:visible").count() == 1
    assert "un texte ou un tableau" in opened.locator("[data-row]:visible").inner_text()
    assert opened.locator("article[data-number]:visible").get_attribute("data-number") == "3"
    opened.locator("[data-filter]").select_option("")
    assert opened.locator("[data-truth]").last.input_value() == "no_tumor"
    assert "Diagnostics marqués" in opened.locator("[data-score]").inner_text()
    assert "meningioma.jpg" in opened.locator("[data-chosen]").inner_text()
    assert opened.url == f"{address}?lang=fr"
    # The page in the other language works as the first did.
    opened.locator("[data-open]").first.click()
    # Once its image is loaded.
    opened.locator(".result:visible .viewer-tools").wait_for()


@with_and_without_script
def test_results_that_another_language_would_lose_are_told_beforehand(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    note = opened.locator("noscript")
    warns = note.is_visible() and note.inner_text() == "So does changing the language."
    opened.get_by_role("link", name="Français").click()
    opened.locator("html[lang=fr]").wait_for()
    if not warns:
        wait_for_cards(opened)
    assert opened.locator(".result").count() == (0 if warns else 1)


def test_nothing_chosen_is_told_at_the_field(opened: Any) -> None:
    opened.get_by_role("button", name="Classify").click()
    assert "Choose a file first." in opened.locator("#files-error").inner_text()
    assert opened.evaluate("() => document.activeElement.id") == "files"
    assert opened.locator("#files").get_attribute("aria-invalid") == "true"
    opened.set_input_files("#files", SAMPLES / "glioma.jpg")
    assert not opened.locator("#files-error").is_visible()


def test_long_file_name_does_not_widen_a_narrow_page(opened: Any, tmp_path: Path) -> None:
    opened.set_viewport_size({"width": 360, "height": 640})
    shutil.copy(SAMPLES / "glioma.jpg", tmp_path / f"{'IRM_TETE_' * 20}.jpg")
    opened.set_input_files("#files", tmp_path / f"{'IRM_TETE_' * 20}.jpg")
    assert opened.evaluate("() => document.documentElement.scrollWidth") == 360
    opened.get_by_role("button", name="Classify").click()
    wait_for_cards(opened)
    assert opened.evaluate("() => document.documentElement.scrollWidth") == 360


@with_and_without_script
def test_form_asks_for_more_images_where_there_are_results(opened: Any) -> None:
    heading = opened.locator(".form h2")
    assert heading.inner_text() == "Your images"
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    assert heading.inner_text() == "More images"


def test_list_is_emptied_by_its_button_and_by_reloading(opened: Any) -> None:
    for empty in (lambda: opened.get_by_role("button", name="Empty the list").click(), opened.reload):
        opened.get_by_role("button", name="Glioma").click()
        wait_for_cards(opened)
        empty()
        assert opened.locator(".result").count() == 0
        assert not opened.locator("[data-results]").is_visible()


@pytest.mark.parametrize("opened", [{"java_script_enabled": False}], indirect=True)
def test_wrong_file_without_a_script_shows_the_reason_and_keeps_the_form(opened: Any) -> None:
    classify(opened, TOP / "README.md")
    opened.wait_for_selector(".error-summary")
    assert opened.title().startswith("Error:")
    assert "a text or a table" in opened.locator(".error-summary").inner_text()
    assert opened.locator("#files").get_attribute("aria-describedby") == "files-hint files-error"


@with_and_without_script
def test_volume_shows_its_slices_which_arrow_keys_step_through(opened: Any, tmp_path: Path) -> None:
    classify(opened, made_volume(tmp_path))
    wait_for_cards(opened)
    assert opened.locator(".chart-dot").count() == opened.locator(".slice-label").count() > 5
    shown = opened.locator(".slice-panel:visible")
    assert shown.count() == 1
    before = shown.inner_text()
    opened.locator(".slice-switch:checked").focus()
    opened.keyboard.press("ArrowRight")
    assert opened.locator(".slice-panel:visible").count() == 1
    assert opened.locator(".slice-panel:visible").inner_text() != before


def test_progress_through_a_volume_is_shown_and_it_can_be_cancelled(opened: Any, tmp_path: Path) -> None:
    held = []
    opened.route("**/cards", lambda route: held.append(route))
    classify(opened, made_volume(tmp_path), SAMPLES / "glioma.jpg")
    opened.locator("[data-pending-cancel]").first.wait_for()
    assert opened.get_by_role("progressbar").count() == 2
    # Wherever the page is scrolled to, how much is done can be seen.
    opened.evaluate("() => window.scrollTo(0, 0)")
    assert opened.locator("[data-batch]").evaluate("bar => bar.getBoundingClientRect().bottom <= innerHeight")
    # The cancelled one makes way for the next.
    with opened.expect_request("**/cards"):
        opened.locator("[data-pending-cancel]").first.click()
    assert "Cancelled. Nothing was kept." in opened.locator(".pending").first.inner_text()
    held[1].continue_()
    wait_for_cards(opened)
    assert "glioma.jpg" in opened.locator(".result").inner_text()


def test_connection_that_breaks_off_is_told_in_the_files_place(opened: Any) -> None:
    opened.route("**/cards", lambda route: route.abort())
    classify(opened, SAMPLES / "glioma.jpg")
    opened.locator(".refusal:visible").wait_for()
    assert "connection broke" in opened.locator(".refusal:visible").inner_text()


def test_keyboard_alone_reaches_a_result(opened: Any) -> None:
    opened.keyboard.press("Tab")
    assert opened.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    opened.keyboard.press("Enter")
    for _ in range(12):
        opened.keyboard.press("Tab")
        if opened.evaluate("() => document.activeElement.name") == "sample":
            break
    opened.keyboard.press("Enter")
    wait_for_cards(opened)
    # The keyboard is where the new result is.
    assert opened.evaluate("() => document.activeElement.id") == "result-1"
    assert opened.locator("[data-status]").inner_text() == "Done."


def test_dropped_and_pasted_pictures_are_taken(opened: Any) -> None:
    give = """([target, kind]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(9)], `${kind}.png`, { type: "image/png" }));
        const event = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true })
            : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.querySelector(target).dispatchEvent(event);
    }"""
    # Beside the field, too: there a browser would open the file in place of the page.
    for kind, target in (("drop", "[data-drop]"), ("drop", "h1:not(.print-only)"), ("paste", "body")):
        opened.evaluate(give, [target, kind])
        assert f"{kind}.png" in opened.locator("[data-status]").inner_text()
    assert [name.inner_text() for name in opened.locator("[data-chosen] [data-name]").all()] == [
        "drop.png", "drop.png", "paste.png",
    ]  # fmt: skip


def test_preview_and_size_check_come_before_the_upload(opened: Any, tmp_path: Path) -> None:
    opened.set_input_files("#files", SAMPLES / "glioma.jpg")
    opened.locator(".preview:visible").wait_for()
    assert "glioma.jpg" in opened.locator("[data-status]").inner_text()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    with (tmp_path / "big.png").open("wb") as big:
        big.truncate(257_000_000)
    opened.get_by_role("button", name="Remove - glioma.jpg").click()
    assert opened.locator("[data-chosen] li").count() == 0
    # Playwright hands over smaller files by value.
    opened.set_input_files("#files", str(tmp_path / "big.png"))
    opened.get_by_role("button", name="Classify").click()
    opened.locator(".refusal:visible").wait_for()
    assert "at most 256 MB" in opened.locator(".refusal:visible").inner_text()
    assert [url for url in asked if not url.startswith("blob:")] == []


def test_dark_room_can_be_chosen_on_the_page(opened: Any) -> None:
    colour = "() => getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(colour)
    opened.get_by_role("button", name="Dark").click()
    assert opened.evaluate(colour) != light
    opened.get_by_role("button", name="Light").click()
    assert opened.evaluate(colour) == light


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("state", ["empty", "results", "error", "volume", "docs"])
def test_narrow_page_never_scrolls_sideways(
    browser: Any, addresses: dict[str, str], tmp_path: Path, state: str, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page = context.new_page()
    open_state(page, state, addresses, "fr", tmp_path)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320
    context.close()


@pytest.mark.parametrize("language", ["en", pytest.param("fr", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "state", ["empty", "preview", "busy", "results", "uncertain", "refused", "error", "volume", "printed", "docs"]
)
def test_every_state_is_accessible_in_light_and_dark(
    browser: Any, addresses: dict[str, str], tmp_path: Path, state: str, language: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    open_state(page, state, addresses, language, tmp_path)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, media="print" if state == "printed" else "screen")
        found = axe.run(page).response["violations"]
        assert [(v["id"], [node["target"] for node in v["nodes"]]) for v in found] == []
    context.close()


def test_printed_report_keeps_result_model_and_disclaimer_and_drops_the_form(opened: Any) -> None:
    opened.get_by_role("button", name="Glioma").click()
    wait_for_cards(opened)
    opened.emulate_media(media="print")
    assert not opened.locator(".form").is_visible()
    assert not opened.get_by_role("button", name="Empty the list").is_visible()
    assert opened.locator(".probabilities").is_visible()
    assert opened.locator(".result .disclaimer").is_visible()
    assert opened.locator(".slice").is_visible()
    assert opened.locator(".viewer-label:visible").count() == 1


@pytest.mark.parametrize("language", ["en", "fr"])
def test_printed_cards_are_two_on_a_page_with_the_words_beside_the_image(
    opened: Any, address: str, language: str
) -> None:
    opened.goto(f"{address}?lang={language}")
    for name in ("glioma", "meningioma"):
        opened.locator(f"button[value={name}]").click()
    wait_for_cards(opened, 2)
    opened.emulate_media(media="print")
    opened.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    # A4 without its margins, at 96 pixels an inch.
    opened.set_viewport_size({"width": 688, "height": 1000})
    image, words, card = (
        opened.locator(f".result >> nth=0 >> {part}").bounding_box() for part in (".film", ".probabilities", "xpath=.")
    )
    assert words["x"] >= image["x"] + image["width"]
    assert card["height"] < 490


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="there is no poppler on this machine")
@pytest.mark.parametrize(("language", "limit"), [("en", "not for diagnosis"), ("fr", "pas de diagnostic")])
def test_every_page_of_the_pdf_has_date_models_and_limit_and_the_table_comes_first(
    opened: Any, address: str, tmp_path: Path, language: str, limit: str
) -> None:
    opened.goto(f"{address}?lang={language}")
    names = ("glioma", "meningioma", "pituitary", "no_tumor", "cat")
    for name in names:
        opened.locator(f"button[value={name}]").click()
    wait_for_cards(opened, len(names))
    opened.pdf(path=tmp_path / "results.pdf", prefer_css_page_size=True)
    written = subprocess.run(["pdftotext", "-layout", tmp_path / "results.pdf", "-"], capture_output=True, check=True)
    pages = written.stdout.decode().split("\f")[:-1]
    # The table, and two cards a page.
    assert len(pages) <= 4
    assert all(limit in page and re.search(r"\d{4}-\d\d-\d\d, xception [\d.]+, vgg16 [\d.]+", page) for page in pages)
    assert pages[0].count("sult") > len(names)


def test_printed_volume_shows_the_slice_that_is_chosen(opened: Any, tmp_path: Path) -> None:
    classify(opened, made_volume(tmp_path))
    wait_for_cards(opened)
    opened.emulate_media(media="print")
    assert opened.locator(".slice:visible").count() == 1
    assert opened.locator(".chart").is_visible()
