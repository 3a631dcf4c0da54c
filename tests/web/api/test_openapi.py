"""The OpenAPI document and its page match what the API does."""

import io
import json
import re
import threading
from contextlib import redirect_stdout
from html import unescape
from itertools import pairwise
from pathlib import Path

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.serving import make_server

from app import create_app
from model.errors import ImageError
from model.network.classifier import Classifier
from model.records import record_of
from tests.support.client import multipart
from tests.support.heads import nifti
from tests.support.page_states import made_volume
from tests.support.samples import SAMPLES, TOP
from web.answering import hashes_of, results_of
from web.api.openapi import V1_PREFIX
from web.api.schemas import ImageReadingSchema, PredictionsSchema, RefusedSchema, SliceSchema, VolumeReadingSchema
from web.refusals import CODES
from web.service import service_of

SAMPLE = SAMPLES / "glioma.jpg"
URL = "/api/v1/predictions"
N_REQUESTS = 200  # per operation and mode
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Generated requests send these in addition to random bytes, to see every kind of answer.
CONTENTS = (SAMPLE.read_bytes(), SAMPLE.read_bytes()[:900], SAMPLE.read_bytes()[:-900], b"", b"%PDF-1.7")
RESULTS = {"models": [{"name": "xception", "version": "1", "sha256": "ab", "created": "2026-01-01", "metrics": {}}]}


@pytest.fixture
def document(client: FlaskClient) -> dict:
    return client.get("/openapi.json").json


@pytest.fixture
def page(client: FlaskClient) -> str:
    return client.get("/api/docs").text


def operations_of(document: dict) -> dict[str, dict]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def errors_against(document: dict, schema: dict, value: object) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]


def without_unknown_fields(answer: dict) -> dict:
    return PredictionsSchema().dump(PredictionsSchema().load(answer))


def example_in(page: str, name: str) -> str:
    return unescape(re.search(rf'<code id="example-{name}">(.*?)</code>', page, re.DOTALL)[1])


# The document


def test_document_is_valid_openapi_3_1(document: dict) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_document_names_every_route_below_v1_and_no_other(app: Flask, document: dict) -> None:
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(V1_PREFIX)
    }
    assert set(operations_of(document)) == routes


def test_every_operation_has_an_id_and_documents_its_problems_as_problem_json(document: dict) -> None:
    operations = operations_of(document).values()
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        for status, response in operation["responses"].items():
            expected = "application/json" if status == "200" else "application/problem+json"
            assert list(response["content"]) == [expected]


def test_every_code_of_a_request_s_files_is_among_the_answers_of_predictions(document: dict) -> None:
    text = json.dumps(document["paths"][URL]["post"]["responses"])
    # The page alone has samples.
    of_form = {code for code, row in CODES.items() if row.of_form} - {"unknown_sample"}
    assert {code for code in of_form if f'"{code}"' not in text} == set()


def test_every_operation_may_be_asked_with_a_token_and_says_what_comes_without(document: dict) -> None:
    (name,) = document["components"]["securitySchemes"]
    for operation in operations_of(document).values():
        assert operation["security"] == [{}, {name: []}]
        assert "`unauthorized`" in operation["responses"]["401"]["description"]


def test_answer_to_too_many_requests_names_the_seconds_to_wait(document: dict) -> None:
    answer = document["paths"][URL]["post"]["responses"]["429"]
    assert answer["headers"]["Retry-After"] == {"$ref": "#/components/headers/RetryAfter"}
    assert document["components"]["headers"]["RetryAfter"]["schema"] == {"type": "integer"}


def test_every_field_is_described_in_one_sentence(document: dict) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            if (name, field) != ("Predictions", "results"):
                assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)?\.", described["description"]), (name, field)


def test_every_example_is_of_its_schema(document: dict) -> None:
    examples = 0
    for operation in operations_of(document).values():
        content = operation["responses"]["200"]["content"]["application/json"]
        for example in content.get("examples", {}).values():
            assert errors_against(document, content["schema"], example["value"]) == []
            assert without_unknown_fields(example["value"]) == example["value"]
            examples += 1
    assert examples >= 2


def test_example_of_the_documentation_is_of_the_schema(document: dict) -> None:
    api = (TOP / "docs" / "api.md").read_text(encoding="utf-8")
    example = json.loads(re.search(r"```json\n(.*?)```", api, re.DOTALL)[1])
    assert errors_against(document, {"$ref": "#/components/schemas/Predictions"}, example) == []
    assert without_unknown_fields(example) == example


def test_every_error_of_a_picture_has_a_code_with_a_status() -> None:
    assert {kind.code for kind in ImageError.__subclasses__()} <= set(CODES)


# Answers against the document


def test_answer_to_a_good_and_a_bad_file_is_of_the_schema_without_unknown_fields(
    client: FlaskClient, document: dict
) -> None:
    files = [(io.BytesIO(SAMPLE.read_bytes()), "a.jpg"), (io.BytesIO(b"no"), "b.jpg")]
    answer = client.post(URL, data={"files": files}).json
    assert errors_against(document, {"$ref": "#/components/schemas/Predictions"}, answer) == []
    assert without_unknown_fields(answer) == answer
    good, bad = answer["results"]
    assert (good["kind"], good["files"], good["format"]) == ("image", [0], "JPEG")
    assert good["files_sha256"] == [good["input_sha256"]]
    assert good["shows_tumor"] is (good["tumor_probability"] >= 0.5)
    assert set(bad) == {"index", "files", "input_sha256", "files_sha256", "error"}
    assert answer["date"].endswith("+00:00")


@pytest.mark.parametrize("broken", [{"index": -1}, {"kind": "film"}, {"answer": "?"}, {"files_sha256": ["x"]}])
def test_answer_that_is_not_of_the_schema_is_found(document: dict, broken: dict) -> None:
    content = document["paths"][URL]["post"]["responses"]["200"]["content"]["application/json"]
    answer = next(iter(content["examples"].values()))["value"]
    answer["results"][0].update(broken)
    assert errors_against(document, content["schema"], answer)


def test_problem_s_type_is_the_address_of_its_row_on_the_page(client: FlaskClient, document: dict, page: str) -> None:
    problem = json.loads(client.post(URL, **multipart({"files": (io.BytesIO(b"%PDF"), "a")})).data)
    assert problem["type"] == "/api/docs#error-unsupported_format"
    assert 'id="error-unsupported_format"' in page
    assert errors_against(document, {"$ref": "#/components/schemas/Problem"}, problem) == []


def test_wrong_method_names_the_right_one_in_allow(client: FlaskClient) -> None:
    answer = client.delete("/api/v1/models")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_records_have_exactly_the_fields_of_their_schema(client: FlaskClient, tmp_path: Path) -> None:
    app = service_of(client.application)
    volume = made_volume(tmp_path, n_slices=4).read_bytes()
    with client.application.test_request_context():
        contents = [SAMPLE.read_bytes(), b"no", volume]
        found = results_of(contents, app.classifier(None), app)
        records = [record_of(result, hashes_of(contents)) for result in found]
    schemas = (ImageReadingSchema, RefusedSchema, VolumeReadingSchema)
    # What was asked for besides, and which files of a zip file were read, is added where there is any.
    sometimes = {"heatmap", "second_opinion", "members"}
    assert [set(record) for record in records] == [set(schema().fields) - sometimes for schema in schemas]
    assert set(records[2]["slices"][0]) == set(SliceSchema().fields)


# Every operation, with requests made from the document


def served_app(classifiers: dict[str, Classifier], folder: Path, with_results: bool) -> Flask:
    if with_results:
        (folder / "results.json").write_text(json.dumps(RESULTS))
    changes: dict[str, object] = {"MAX_UPLOAD_MB": 2, "MAX_FILES": 3}
    return create_app(changes, dict(classifiers), results_file=folder / "results.json")


def statuses_of(operation: schemathesis.schemas.APIOperation, mode: GenerationMode) -> set[int]:
    """Send generated requests, check each answer against the document, and return the statuses."""
    statuses = set()

    @settings(max_examples=N_REQUESTS, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(case=operation.as_strategy(mode))
    def answers_as_documented(case: schemathesis.Case) -> None:
        statuses.add(case.call_and_validate(checks=CHECKS).status_code)

    answers_as_documented()
    return statuses


def operations_served(
    classifiers: dict[str, Classifier], folder: Path, with_results: bool
) -> dict[str, schemathesis.schemas.APIOperation]:
    """Return the operations, by method and path, from the document of a new app."""
    schemathesis.openapi.format("binary", st.sampled_from(CONTENTS) | st.binary(max_size=200))
    app = served_app(classifiers, folder, with_results)
    # Independent of configuration in the current folder.
    described = schemathesis.openapi.from_wsgi("/openapi.json", app, config=SchemathesisConfig())
    return {operation.label: operation for operation in (found.ok() for found in described.get_all_operations())}


def test_no_request_gets_a_server_error_or_an_answer_outside_the_document(
    classifiers: dict[str, Classifier], tmp_path: Path, document: dict
) -> None:
    operations = operations_served(classifiers, tmp_path, with_results=True)
    assert set(operations) == set(operations_of(document))
    seen = {label: statuses_of(operation, GenerationMode.POSITIVE) for label, operation in operations.items()}
    assert seen[f"POST {URL}"] >= {200, 400, 413, 415, 422}
    assert seen["GET /api/v1/results"] == {200}


def test_no_wrong_request_gets_a_server_error_or_an_answer_outside_the_document(
    classifiers: dict[str, Classifier], tmp_path: Path
) -> None:
    operations = operations_served(classifiers, tmp_path, with_results=True)
    # A request without parameters and body cannot be made invalid.
    seen = [statuses_of(of, GenerationMode.NEGATIVE) for of in operations.values() if of.body]
    assert seen
    assert all(400 in statuses for statuses in seen)


def test_request_for_results_that_are_not_there_is_answered_as_documented(
    classifiers: dict[str, Classifier], tmp_path: Path
) -> None:
    operations = operations_served(classifiers, tmp_path, with_results=False)
    assert statuses_of(operations["GET /api/v1/results"], GenerationMode.POSITIVE) == {404}


# Results


def test_results_are_the_content_of_the_file(classifiers: dict[str, Classifier], tmp_path: Path) -> None:
    answer = served_app(classifiers, tmp_path, True).test_client().get("/api/v1/results")
    assert (answer.status_code, answer.json) == (200, RESULTS)


def test_results_without_a_file_are_a_problem(classifiers: dict[str, Classifier], tmp_path: Path) -> None:
    answer = served_app(classifiers, tmp_path, False).test_client().get("/api/v1/results")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert json.loads(answer.data)["code"] == "no_results"


def test_this_repository_s_results_are_of_the_schema(client: FlaskClient, document: dict) -> None:
    answer = client.get("/api/v1/results").json
    assert errors_against(document, {"$ref": "#/components/schemas/Results"}, answer) == []


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"models": [], "more": {"a": NaN}}'])
def test_file_that_holds_no_results_stops_the_start(
    classifiers: dict[str, Classifier], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "results.json"
    file.write_text(content)
    with pytest.raises(SystemExit):
        create_app(classifiers=dict(classifiers), results_file=file)
    assert str(file) in capsys.readouterr().err


# The page


def test_page_names_every_operation_every_schema_and_every_code(document: dict, page: str) -> None:
    for name, operation in operations_of(document).items():
        assert f"<code>{name}</code>" in page
        assert operation["operationId"] in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    for code, row in CODES.items():
        (found,) = re.findall(rf'<tr id="error-{code}">(.*?)</tr>', page, re.DOTALL)
        assert str(int(row.status)) in found


def test_page_needs_no_script_style_or_address_of_others(client: FlaskClient) -> None:
    answer = client.get("/api/docs")
    assert answer.status_code == 200
    main = answer.text.split("<main")[1].split("</main>")[0]
    assert re.findall(r"<script|<style|\sstyle=|\son\w+=|javascript:", main) == []
    assert {
        url for url in re.findall(r'(?:href|src)="([^"]*)"', answer.text) if not url.startswith(("/", "#"))
    } == set()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_page_s_links_lead_somewhere_and_no_id_stands_twice(client: FlaskClient, page: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    for address in re.findall(r'<main.*?href="(/[^"]*)"', page, re.DOTALL):
        assert client.get(address).status_code == 200


def test_page_s_headings_go_down_step_by_step_and_its_tables_name_rows_and_columns(page: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        assert "<caption>" in table
        assert '<th scope="col">' in table
        assert table.count('<th scope="row">') == table.split("<tbody>")[1].count("<tr")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_python_example_prints_the_answer_of_this_server(
    app: Flask, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = example_in(page, "python")
    (tmp_path / "slice.jpg").write_bytes(SAMPLE.read_bytes())
    (tmp_path / "head.nii.gz").write_bytes(nifti(compressed=True))
    monkeypatch.chdir(tmp_path)
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(example.replace("http://localhost/", f"http://127.0.0.1:{server.port}/"), {})
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert re.fullmatch(r"slice.jpg .+\.\nhead.nii.gz Unclear: .+\.\n", printed.getvalue())
    assert [(tmp_path / f"heatmap-{i}.jpg").read_bytes()[:3] for i in (0, 1)] == [b"\xff\xd8\xff"] * 2


def test_curl_example_names_the_operation_s_address(page: str) -> None:
    assert example_in(page, "curl") == f"curl -F files=@slice.jpg http://localhost{URL}"
