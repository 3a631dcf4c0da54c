"""Starting the app: what it loads, what it refuses, and what it tells operators."""

import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from tests.support.client import multipart
from tests.support.samples import TOP
from tests.support.server import served
from web.guards.tokens import digest_of
from web.settings import PREFIX


def start(models: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, f"{PREFIX}MODELS_DIR": str(models), **settings}
    return subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("program", "too_large"),
    [
        ("import app; app.create_app()", "tensorflow sklearn matplotlib pyarrow ray training pydicom nibabel"),
        # Readers: an image needs only Pillow.
        (
            "from model.reading.many_files import read_files; "
            "read_files([open('static/samples/glioma.jpg', 'rb').read()])",
            "tensorflow keras pydicom nibabel",
        ),
    ],
)
def test_memory_holds_no_package_that_is_not_needed(tiny_models: Path, program: str, too_large: str) -> None:
    code = f"import sys; {program}; print([name for name in {too_large.split()} if name in sys.modules])"
    started = start(tiny_models, sys.executable, "-c", code)
    assert started.returncode == 0, started.stderr
    assert started.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("damage", "server"),
    [
        ("altered", "python"),
        ("missing", "gunicorn"),
        pytest.param("missing", "python", marks=pytest.mark.slow),
        pytest.param("altered", "gunicorn", marks=pytest.mark.slow),
    ],
)
def test_missing_or_altered_weights_stop_the_start_with_one_clear_line(
    tiny_models: Path, tmp_path: Path, damage: str, server: str
) -> None:
    models = Path(shutil.copytree(tiny_models, tmp_path / "models"))
    weights = models / "xception.keras"
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    command = {
        "python": (sys.executable, "-c", "import app; app.create_app()"),
        "gunicorn": (sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", "127.0.0.1:0"),
    }[server]
    started = start(models, *command)
    assert started.returncode not in (0, None)
    (line,) = [line for line in started.stderr.splitlines() if line.startswith("Cannot start:")]
    assert "xception.keras" in line
    assert "Traceback" not in started.stderr


@pytest.fixture(scope="module")
def strict(tiny_models: Path) -> Iterator[tuple[str, int]]:
    """The address of a server that requires the token "open" and accepts at most 1 MB."""
    with served(tiny_models, MAX_UPLOAD_MB="1", TOKENS=digest_of("open")) as address:
        yield address


@pytest.mark.parametrize(
    ("token", "status", "detail"), [("open", 413, "1 MB"), ("another", 401, "token")], ids=["too large", "wrong token"]
)
def test_client_that_sends_a_little_too_much_gets_the_sentence_and_no_reset(
    strict: tuple[str, int], token: str, status: int, detail: str
) -> None:
    form = multipart({"files": (io.BytesIO(bytes(6_000_000)), "big.png")})
    headers = {"Content-Type": str(form["content_type"]), "Authorization": f"Bearer {token}"}
    for _ in range(5):
        connection = http.client.HTTPConnection(*strict, timeout=30)
        # Sends the whole body before it looks for an answer, as proxies do.
        connection.request("POST", "/api/v1/predictions", form["data"], headers)
        answer = connection.getresponse()
        assert answer.status == status
        assert detail in json.load(answer)["detail"]
        connection.close()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MAX_UPLOAD_MB", "many", "MAX_UPLOAD_MB"),
        ("MAX_FILES", "0", "MAX_FILES"),
        ("MAX_UPLAOD_MB", "3", "MAX_UPLAOD_MB"),
        ("RATE_LIMIT", "many", "RATE_LIMIT"),
        ("PROXY_HOPS", "-1", "PROXY_HOPS"),
    ],
)
def test_bad_setting_stops_the_start_with_one_clear_line(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(SystemExit, match="4"):
        create_app()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_bad_setting_stops_the_server_with_one_clear_line_in_its_log(tiny_models: Path) -> None:
    command = (sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", "127.0.0.1:0")
    started = start(tiny_models, *command, **{f"{PREFIX}RATE_LIMIT": "many"})
    assert started.returncode == 4
    (line,) = [line for line in started.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("Cannot start: ")
    assert "RATE_LIMIT" in line


@pytest.mark.parametrize("port", ["taken", "99999"])
def test_port_that_cannot_be_had_stops_the_start_at_once_with_one_clear_line(tiny_models: Path, port: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1] if port == 'taken' else port}"
        started = start(tiny_models, sys.executable, "-m", "gunicorn", "app:create_app()", "--bind", address)
    assert "Retrying" not in started.stderr  # gunicorn alone tries for five seconds
    assert started.returncode == 4
    (line,) = [line for line in started.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("Cannot start: ")
    assert address.rpartition(":")[2] in line


def test_port_that_is_no_number_stops_the_start_with_one_clear_line(tiny_models: Path) -> None:
    started = start(tiny_models, sys.executable, "-m", "gunicorn", "app:create_app()", PORT="eighty")
    assert started.returncode != 0
    (line,) = [line for line in started.stderr.splitlines() if line.strip()]
    assert "eighty" in line


def test_probes_answer_and_name_the_models(client: FlaskClient) -> None:
    assert client.get("/livez").json == {"status": "alive"}
    assert client.get("/readyz").json == {
        "status": "ready", "models": ["xception", "vgg16"], "precision": "float32",
    }  # fmt: skip


def test_model_loads_and_classifies_where_scipy_is_not_installed(tiny_models: Path) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class NoScipy(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] == 'scipy':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoScipy())\n"
        "from model.__main__ import main\n"
        f"sys.exit(main(['static/samples/glioma.jpg', '--models', {str(tiny_models)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "glioma.jpg" in done.stdout
