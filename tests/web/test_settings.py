"""The settings: the table, then the environment, then a mapping."""

import re
from pathlib import Path

import pytest

from model.card import DEFAULT_MODELS, WEIGHTS_FOLDER
from model.reading.contents import Limits
from tests.support.samples import TOP
from web import settings_page
from web.settings import PREFIX, TABLE, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TABLE:
        monkeypatch.delenv(PREFIX + name, raising=False)
    monkeypatch.delenv("BIND", raising=False)


@pytest.mark.parametrize("name", TABLE)
def test_each_setting_is_explained_in_one_sentence(name: str) -> None:
    sentence = TABLE[name].metadata["sentence"]
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0


def test_defaults_hold_where_nothing_is_given() -> None:
    settings = load_settings()
    assert (settings.max_upload_mb, settings.max_files) == (256, 600)
    assert (settings.model_names, settings.models_dir) == (DEFAULT_MODELS, WEIGHTS_FOLDER)
    assert settings.max_upload_bytes == 256_000_000
    assert settings.limits == Limits(max_pixels=25_000_000, max_voxels=64_000_000, max_files=600)


@pytest.mark.parametrize(
    ("bind", "hops", "limit_mb"),
    [
        ("127.0.0.1", "0", 256),
        ("::1", "0", 256),
        ("0.0.0.0", "0", 60),
        ("192.168.1.2", "0", 60),
        ("127.0.0.1", "1", 60),
    ],
)
def test_large_uploads_are_for_a_server_of_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch, bind: str, hops: str, limit_mb: int
) -> None:
    monkeypatch.setenv("BIND", bind)
    monkeypatch.setenv("BRAIN_MRI_PROXY_HOPS", hops)
    assert load_settings().max_upload_mb == limit_mb
    assert load_settings({"MAX_UPLOAD_MB": 9}).max_upload_mb == 9


def test_environment_comes_before_the_default_and_the_mapping_before_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_MRI_MAX_FILES", "7")
    monkeypatch.setenv("BRAIN_MRI_MAX_UPLOAD_MB", "8")
    settings = load_settings({"MAX_UPLOAD_MB": 9})
    assert (settings.max_files, settings.max_upload_mb) == (7, 9)


def test_names_and_folder_are_read_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_MRI_MODEL_NAMES", "vgg16, xception")
    monkeypatch.setenv("BRAIN_MRI_MODELS_DIR", "/srv/models")
    settings = load_settings()
    assert (settings.model_names, settings.models_dir) == (("vgg16", "xception"), Path("/srv/models"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("MAX_UPLOAD_MB", "twenty"), ("MAX_UPLOAD_MB", ""), ("MAX_FILES", "0"), ("MAX_FILES", "-1"),
     ("MAX_IN_WORK", "1e3"), ("MODEL_NAMES", " , ")],
)  # fmt: skip
def test_value_that_cannot_be_used_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(PREFIX + name, text)
    with pytest.raises(SettingsError, match=PREFIX + name) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_misspelt_name_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_MRI_MAX_UPLOADMB", "5")
    with pytest.raises(SettingsError, match=r"BRAIN_MRI_MAX_UPLOAD_MB, .* BRAIN_MRI_MAX_UPLOADMB"):
        load_settings()


@pytest.mark.parametrize("name", ["SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8000_TCP_ADDR", "SERVICE_PORT_HTTP"])
def test_names_that_kubernetes_sets_for_a_service_of_this_name_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(PREFIX + name, "tcp://10.0.0.1:8000")
    assert load_settings().max_files == 600


@pytest.mark.parametrize("document", ["docs/operate.md", "docs/train.md", "SECURITY.md", "PRIVACY.md", "CHANGELOG.md"])
def test_documents_name_only_settings_that_there_are(document: str) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", (TOP / document).read_text(encoding="utf-8")))
    assert named
    assert named <= set(TABLE)


def test_table_of_settings_in_the_documentation_is_current() -> None:
    page = settings_page.PAGE.read_text(encoding="utf-8")
    assert settings_page.with_table(page) == page
    assert f"| `{PREFIX}MAX_FILES` | `600` | Most files" in page


def test_values_shown_in_the_documentation_can_be_used() -> None:
    page = settings_page.PAGE.read_text(encoding="utf-8")
    shown = dict(re.findall(rf'export {PREFIX}([A-Z_]+)="?([^"\s]+)', page))
    assert len(shown) == 5
    load_settings(shown | {"TOKENS": "ab" * 32})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        load_settings().max_files = 3  # type: ignore[misc]
