"""Requests that another web site makes a browser send are refused; the page's own and programs' are not."""

import json

import pytest
from flask.testing import FlaskClient

from tests.support.client import upload
from tests.support.samples import sample_bytes

PATHS = ["/", "/cards", "/api/v1/predictions"]
OWN = "http://localhost"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": OWN},
        {"Origin": "https://elsewhere.example"},
        {"Origin": f"{OWN}.elsewhere.example"},
        {"Origin": f"{OWN}:8000"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
    ids=str,
)
def test_post_of_another_site_is_refused(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    answer = client.post(path, headers=headers, **upload(sample_bytes()))
    assert answer.status_code == 403
    if path != "/":
        assert json.loads(answer.data)["code"] == "cross_site"
    assert "another web site" in answer.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": OWN},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": OWN},
        {"Origin": "HTTP://LOCALHOST"},
        {"Origin": "https://localhost"},
    ],
    ids=str,
)
def test_post_of_the_page_itself_or_of_a_program_is_answered(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    assert client.post(path, headers=headers, **upload(sample_bytes())).status_code == 200


def test_link_from_another_site_opens_the_page(client: FlaskClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
