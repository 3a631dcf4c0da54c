"""With token digests in the settings every client needs a token; without any, none does."""

import json
import subprocess
import sys
from base64 import b64encode

import pytest
from flask.testing import FlaskClient

from app import create_app
from model.network.classifier import Classifier
from tests.support.client import upload
from tests.support.samples import TOP, sample_bytes
from web.guards.tokens import digest_of
from web.settings import PREFIX, SettingsError, load_settings

TOKEN, OTHER = "one-long-random-text", "another-long-random-text"
URL = "/api/v1/predictions"
CLOSED = ["/", "/cards", "/api/v1/models", "/api/docs", "/openapi.json", "/metrics", "/nowhere", "/api/nowhere"]


@pytest.fixture
def closed(classifiers: dict[str, Classifier]) -> FlaskClient:
    tokens = f"{digest_of(OTHER)}, {digest_of(TOKEN).upper()}"
    return create_app({"TOKENS": tokens, "METRICS": "on"}, dict(classifiers)).test_client()


def basic(password: str) -> str:
    return "Basic " + b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize("path", CLOSED)
def test_request_without_a_token_is_refused_wherever_it_goes(closed: FlaskClient, path: str) -> None:
    answer = closed.get(path)
    assert answer.status_code == 401
    challenges = answer.headers.getlist("WWW-Authenticate")
    assert [challenge.split()[0] for challenge in challenges] == ["Bearer", "Basic"]
    assert "xception" not in answer.text


@pytest.mark.parametrize("path", ["/", "/cards", URL])
def test_upload_without_a_token_is_refused_before_it_is_read(closed: FlaskClient, path: str) -> None:
    answer = closed.post(path, **upload(sample_bytes()))
    assert answer.status_code == 401
    if path != "/":
        assert answer.mimetype == "application/problem+json"
        assert json.loads(answer.data)["code"] == "unauthorized"


def test_page_that_is_closed_says_so_in_the_reader_s_language_and_offers_no_form(closed: FlaskClient) -> None:
    page = closed.get("/", headers={"Accept-Language": "fr"}).text
    assert "jeton" in page
    assert "<form" not in page


@pytest.mark.parametrize("token", [TOKEN, OTHER])
@pytest.mark.parametrize("path", ["/", "/cards", URL])
def test_known_token_lets_in_as_bearer_and_as_the_browser_s_password(
    closed: FlaskClient, path: str, token: str
) -> None:
    for credentials in (f"Bearer {token}", basic(token)):
        assert closed.post(path, headers={"Authorization": credentials}, **upload(sample_bytes())).status_code == 200


@pytest.mark.parametrize(
    "credentials",
    ["Bearer", "Bearer ", "Bearer x", f"Bearer {digest_of(TOKEN)}", f"Token {TOKEN}", TOKEN, basic("x"), "Basic !",
     f"Digest username={TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe9"],
)  # fmt: skip
def test_other_credentials_are_refused(closed: FlaskClient, credentials: str) -> None:
    answer = closed.get("/api/v1/models", headers={"Authorization": credentials})
    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/static/main.css"])
def test_probes_and_static_files_need_no_token(closed: FlaskClient, path: str) -> None:
    assert closed.get(path, buffered=True).status_code == 200


def test_without_tokens_in_the_settings_nothing_is_asked(client: FlaskClient) -> None:
    assert client.post(URL, **upload(sample_bytes())).status_code == 200


def test_command_makes_a_new_token_each_time_and_the_digest_that_lets_it_in() -> None:
    command = [sys.executable, "-m", "web.guards.tokens"]
    made = [subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    tokens = [text.splitlines()[0].rpartition(" ")[2] for text in made]
    digests = [text.strip().rpartition(f"{PREFIX}TOKENS=")[2] for text in made]
    assert tokens[0] != tokens[1]
    assert min(len(token) for token in tokens) >= 43
    assert [digest_of(token) for token in tokens] == digests
    assert load_settings({"TOKENS": ",".join(digests)}).tokens == tuple(digests)


@pytest.mark.parametrize("value", ["secret-token", "ab" * 31, f"{digest_of(TOKEN)};{digest_of(OTHER)}"])
def test_value_that_is_no_digest_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(SettingsError, match="TOKENS") as caught:
        load_settings({"TOKENS": value})
    assert value not in str(caught.value)
