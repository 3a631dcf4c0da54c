"""Protection against other sites and strangers in a real browser; the page's own forms must keep working."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.page_states import FLAGS
from tests.support.samples import SAMPLES
from tests.support.server import served
from web.guards.tokens import digest_of

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

TOKEN = "one-long-random-text"
# By HTTP and a name other than this machine's, browsers leave out Sec-Fetch-Site, as in a hospital's own network.
LAN_NAME = "mri.hospital.test"


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    with served(tiny_models) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        rules = f"--host-resolver-rules=MAP {LAN_NAME} 127.0.0.1"
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, rules])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("name", ["127.0.0.1", LAN_NAME])
def test_own_page_gets_an_answer_with_and_without_the_header_of_secure_places(
    browser: Any, address: str, name: str, script: bool
) -> None:
    page = browser.new_context(java_script_enabled=script).new_page()
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.goto(address.replace("127.0.0.1", name))
    page.set_input_files("#files", SAMPLES / "glioma.jpg")
    page.get_by_role("button", name="Classify").click()
    page.locator(".result").wait_for()
    (request,) = sent
    assert ("sec-fetch-site" in request.all_headers()) == (name == "127.0.0.1")
    page.context.close()


@pytest.mark.parametrize("name", ["127.0.0.1", LAN_NAME])
def test_form_of_another_site_is_refused(browser: Any, address: str, name: str) -> None:
    target = address.replace("127.0.0.1", name)
    page = browser.new_page()
    page.set_content(f'<form method="post" action="{target}/" enctype="multipart/form-data">'
                     '<input name="sample" value="glioma"><button>Send</button></form>')  # fmt: skip
    with page.expect_navigation() as navigation:
        page.get_by_role("button").click()
    assert navigation.value.status == 403
    assert page.locator(".result").count() == 0
    page.close()


@pytest.mark.parametrize("password", [TOKEN, "another"])
def test_browser_that_was_told_the_token_once_uses_it_for_the_page_and_its_script(
    browser: Any, tiny_models: Path, password: str
) -> None:
    with served(tiny_models, TOKENS=digest_of(TOKEN)) as (host, port):
        context = browser.new_context(http_credentials={"username": "anybody", "password": password})
        page = context.new_page()
        answer = page.goto(f"http://{host}:{port}/")
        assert answer.status == (200 if password == TOKEN else 401)
        if password == TOKEN:
            page.set_input_files("#files", SAMPLES / "glioma.jpg")
            page.get_by_role("button", name="Classify").click()
            page.locator(".result").wait_for()
        else:
            assert "Expected a token" in page.inner_text("main")
            assert page.locator("form").count() == 0
        context.close()
