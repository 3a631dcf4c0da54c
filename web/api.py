"""The API: predictions and models as JSON."""

import json
from typing import Any

from flask import Blueprint, Response, jsonify, request

from model.card import DISCLAIMER
from model.classifier import Classifier
from model.sentences import Sentence
from web.errors import API_PREFIX, Refusal, problem
from web.predicting import Answer, Refused, classify
from web.uploads import this_app, uploaded_files

blueprint = Blueprint("api", __name__, url_prefix=f"{API_PREFIX}v1")


@blueprint.post("/predictions")
def predictions() -> Response:
    """Classify the files of a multipart request; a refused one stands in its place, unless all are refused."""
    app = this_app()
    _refuse_other_bodies()
    contents = uploaded_files(request, app.settings.max_files)
    classifier = app.classifier(request.form.get("model"))
    results = classify(contents, classifier, app.settings.max_pixels)
    if all(isinstance(result, Refused) for result in results):
        refusal = next(result.refusal for result in results if isinstance(result, Refused))
        return problem(refusal.status, refusal.code, refusal.detail)
    return jsonify({"results": [_as_json(result, classifier) for result in results], "disclaimer": DISCLAIMER})


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


def _as_json(result: Answer | Refused, classifier: Classifier) -> dict[str, Any]:
    common = {"index": result.index, "input_sha256": result.sha256}
    if isinstance(result, Refused):
        return {**common, "error": {"code": result.refusal.code, "detail": result.refusal.detail}}
    height, width = result.image.pixels.shape
    prediction = result.prediction
    known = prediction.is_brain_mri
    return {
        **common,
        "model": classifier.card.name,
        "model_version": classifier.card.version,
        "answer": prediction.answer,
        "reason": prediction.reason,
        "predicted_class": prediction.predicted_class if known else None,
        "probabilities": prediction.by_class() if known else None,
        "tumor_probability": prediction.tumor_probability if known else None,
        "width_px": width,
        "height_px": height,
        "notes": list(result.image.notes),
        "seconds": round(result.seconds, 4),
    }
