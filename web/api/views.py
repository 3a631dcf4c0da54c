"""The API: predictions, models and the evaluation's results as JSON."""

import base64
import json
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request

from model.answering import AnsweredImage, Refused, Result
from model.card import DISCLAIMER
from model.evidence.explainer import Explainer
from model.network.classifier import Classifier
from model.records import record_of
from model.sentences import Sentence
from web.answering import hashes_of, refusal_of, results_of
from web.api import examples
from web.api.openapi import V1_PREFIX, Operation
from web.api.schemas import YES_OR_NO, ModelsSchema, PredictionsSchema, ResultsSchema, UploadSchema
from web.guards.overload import admitted
from web.guards.uploads import uploaded_files
from web.languages.languages import say
from web.refusals import Refusal
from web.service import Service, this_service

_PREDICTIONS = PredictionsSchema()
blueprint = Blueprint("api", __name__, url_prefix=V1_PREFIX)


@blueprint.post("/predictions")
@Operation(
    "classify_files",
    answer=PredictionsSchema,
    answers="The results in the order of the files; at least one of them is an answer.",
    codes=(
        *("missing_file", "empty_file", "unknown_field", "unknown_parameter", "unknown_model"),
        *("bad_request",),
        *("too_many_files", "upload_too_large", "unsupported_format"),
        *("unreadable_image", "too_many_pixels", "unsuitable_image", "decoder_failed", "overloaded"),
        *("cross_site", "too_many_requests"),
    ),
    takes=UploadSchema,
    examples=examples.PREDICTIONS,
)
@admitted(lambda: this_service().places)
def predictions() -> Response:
    """Classify the files of a multipart request; a refused one gets an error in its place, unless all are refused."""
    service = this_service()
    _refuse_other_bodies()
    _refuse_unknown_parameters()
    contents = uploaded_files(request, service.settings.max_files)
    classifier = service.classifier(request.form.get("model"))
    second = service.other_than(classifier) if request.form.get("second") == "yes" else None
    hashes, records, refusals = hashes_of(contents), [], []
    # One result at a time: each holds its image and its feature maps.
    for result in results_of(contents, classifier, service, second):
        records.append({**record_of(result, hashes, say), **_heatmap(result, classifier, service)})
        refusals += [refusal_of(result)] if isinstance(result, Refused) else []
    if len(refusals) == len(records):
        raise refusals[0]
    answer = {
        "results": records,
        "date": datetime.now(UTC).replace(microsecond=0),
        "disclaimer": say(DISCLAIMER),
    }
    return jsonify(_PREDICTIONS.dump(answer))


@blueprint.get("/models")
@Operation("list_models", answer=ModelsSchema, answers="The models that can be chosen.")
def models() -> Response:
    """Describe the models that can be chosen, the default one first."""
    service = this_service()
    cards = [classifier.card for classifier in service.classifiers.values()]
    # As in the card's own file: dataclasses become objects. The schema chooses the fields.
    described = [json.loads(card.to_json()) for card in cards]
    return jsonify(ModelsSchema().dump({"models": described, "precision": service.precision}))


@blueprint.get("/results")
@Operation(
    "get_results", answer=ResultsSchema, answers="The figures, as the evaluation wrote them.", codes=("no_results",)
)
def results() -> Response:
    """Return the evaluation results of the published models."""
    found = this_service().results
    if found is None:
        raise Refusal(
            "no_results",
            Sentence("This server has no evaluation results."),
        )
    return jsonify(found)


def _heatmap(result: Result, classifier: Classifier, service: Service) -> dict[str, str]:
    if request.form.get("heatmap") != "yes" or isinstance(result, Refused) or not result.answer.is_brain_mri:
        return {}
    if isinstance(result, AnsweredImage):
        image, prediction = result.content, result.answer
    else:
        # The feature maps of a volume's slices are not kept.
        image = result.content.image(result.answer.key_slice)
        (prediction,) = classifier.predict([image], service.wait_seconds)
    jpeg = Explainer(classifier).heatmap_jpeg(image, prediction)
    return {"heatmap": "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()}


def _refuse_unknown_parameters() -> None:
    """Refuse unknown fields instead of ignoring them. The message does not repeat them: they may be names."""
    known = UploadSchema().fields
    if set(request.form) - set(known):
        names = ", ".join(known)
        raise Refusal("unknown_parameter", Sentence("Expected fields among {names}. Received another.", names=names))
    for name in ("heatmap", "second"):
        if set(request.form.getlist(name)) - set(YES_OR_NO):
            raise Refusal(
                "unknown_parameter", Sentence("Expected {name} to be yes or no. Received another value.", name=name)
            )


def _refuse_other_bodies() -> None:
    if request.mimetype != "multipart/form-data":
        raise Refusal(
            "missing_file",
            Sentence(
                "Expected multipart/form-data with the images in parts named 'files'. "
                "Received another kind of body. Try: curl -F files=@slice.jpg URL"
            ),
        )
