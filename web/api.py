"""The API: predictions and models as JSON."""

import json

from flask import Blueprint, Response, jsonify, request

from model.card import DISCLAIMER
from model.sentences import Sentence
from web.errors import API_PREFIX, Refusal, problem
from web.languages import say
from web.predicting import Refused, results_of
from web.records import now, record_of
from web.uploads import this_app, uploaded_files

blueprint = Blueprint("api", __name__, url_prefix=f"{API_PREFIX}v1")


@blueprint.post("/predictions")
def predictions() -> Response:
    """Classify the files of a multipart request; a refused one stands in its place, unless all are refused."""
    app = this_app()
    _refuse_other_bodies()
    contents = uploaded_files(request, app.settings.max_files)
    classifier = app.classifier(request.form.get("model"))
    results = results_of(contents, classifier, app)
    if all(isinstance(result, Refused) for result in results):
        refusal = next(result.refusal for result in results if isinstance(result, Refused))
        return problem(refusal.status, refusal.code, refusal.detail)
    return jsonify({"results": [record_of(result) for result in results], "date": now(), "disclaimer": say(DISCLAIMER)})


@blueprint.get("/models")
def models() -> Response:
    """Describe the models that can be chosen, the default one first."""
    cards = [classifier.card for classifier in this_app().classifiers.values()]
    fields = (
        "name",
        "title",
        "version",
        "task",
        "class_names",
        "sha256",
        "intended_use",
        "limits",
        "decision",
        "metrics",
    )
    # As the card's own file has them: dataclasses become objects.
    described = [json.loads(card.to_json()) for card in cards]
    return jsonify({"models": [{field: card[field] for field in fields} for card in described]})


def _refuse_other_bodies() -> None:
    if request.mimetype != "multipart/form-data":
        raise Refusal(
            "missing_file",
            Sentence(
                "Expected multipart/form-data with the pictures in parts named 'files'. "
                "Received another kind of body. Try: curl -F files=@picture.jpg URL"
            ),
        )
