"""Requests and answers of the API, field by field; answers are made and documented with these classes."""

import functools
from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields
from marshmallow.validate import OneOf, Range, Regexp

from model.answers.certainty import NOT_BRAIN_MRI, UNCERTAIN
from model.card import CLASS_NAMES
from model.network.precision import BFLOAT16, FLOAT32
from web.refusals import CODES

_CLASSES = tuple(sorted({name for names in CLASS_NAMES.values() for name in names}))
_ANSWERS = (*_CLASSES, UNCERTAIN, NOT_BRAIN_MRI)
_SHA256 = Regexp(r"^[0-9a-f]{64}$")
_SHARE = Range(min=0, max=1)
YES_OR_NO = ("yes", "no")
_COUNT = Range(min=0)
_SLICE_NUMBER = Range(min=1)


def _is(sentence: str, **of_schema: Any) -> dict[str, Any]:
    """Return the keywords of a required field, described in one sentence."""
    return {"required": True, "metadata": {"description": sentence, **of_schema}}


class OpenSchema(Schema):
    """A schema whose objects may gain fields within a version of the API: readers ignore unknown ones."""

    class Meta(Schema.Meta):
        """Options for marshmallow and the OpenAPI document."""

        unknown = EXCLUDE


class UploadSchema(OpenSchema):
    """The parts of a multipart request."""

    files = fields.List(
        fields.Raw(metadata={"type": "string", "format": "binary"}),
        **_is("The files, each in a part of this name with a file name, recognised by their content."),
    )
    model = fields.String(metadata={"description": "Name of the model; without it, the first that is listed."})
    heatmap = fields.String(
        validate=OneOf(YES_OR_NO),
        metadata={"description": "Whether to draw a heat map of each image and of the deciding slices of each volume."},
    )
    second = fields.String(
        validate=OneOf(YES_OR_NO),
        metadata={"description": "Whether the next of the listed models gives a second opinion."},
    )


class OpinionSchema(OpenSchema):
    """What a network says about one image."""

    answer = fields.String(
        validate=OneOf(_ANSWERS),
        **_is("The class, or why there is none: not certain enough, or no brain MRI."),
    )
    predicted_class = fields.String(
        allow_none=True,
        validate=OneOf(_CLASSES),
        **_is("The class of the highest probability; null where this is not a brain MRI."),
    )
    probabilities = fields.Dict(
        keys=fields.String(),
        values=fields.Float(validate=_SHARE),
        allow_none=True,
        **_is("Probability of each class of the model, their sum is 1; null where this is not a brain MRI."),
    )
    tumor_probability = fields.Float(
        allow_none=True,
        validate=_SHARE,
        **_is("Probability of any tumor, of whatever class; null where this is not a brain MRI."),
    )
    shows_tumor = fields.Boolean(
        allow_none=True,
        **_is("Whether the probability of a tumor reaches the model's threshold; null where no brain MRI."),
    )


class MemberSchema(OpenSchema):
    """A file of a zip file. Its name is not read: it may name a person."""

    index = fields.Integer(
        validate=_COUNT, **_is("Place in the zip file's directory, from 0, in the order of Python's zipfile.")
    )
    sha256 = fields.String(validate=_SHA256, **_is("SHA-256 of its unpacked bytes."))


class SecondOpinionSchema(OpinionSchema):
    """What another model says about the same image, or about the deciding slices of a volume."""

    model = fields.String(**_is("Name of the other model."))
    model_version = fields.String(**_is("Version of that model."))
    model_sha256 = fields.String(validate=_SHA256, **_is("SHA-256 of that model's weights."))


class PlaceSchema(OpenSchema):
    """Which files of the request a result belongs to."""

    index = fields.Integer(validate=_COUNT, **_is("Place of the first file in the request, from 0."))
    files = fields.List(fields.Integer(validate=_COUNT), **_is("Places of all files that were read together."))
    input_sha256 = fields.String(
        allow_none=True,
        validate=_SHA256,
        **_is("SHA-256 of the file's bytes, in a zip file unpacked; null where there are several files."),
    )
    files_sha256 = fields.List(fields.String(validate=_SHA256), **_is("SHA-256 of each file of the request, in order."))
    members = fields.List(
        fields.Nested(MemberSchema),
        metadata={"description": "Which files of a zip file were read together; present if they came from one."},
    )


class ReadingSchema(OpinionSchema, PlaceSchema):
    """What images and volumes have in common."""

    headline = fields.String(**_is("What is said of a tumor and of its kind, in a sentence."))
    reason = fields.String(**_is("Why no class is given as the answer; empty where one is."))
    second_opinion = fields.Nested(
        SecondOpinionSchema,
        metadata={"description": "The opinion of another model; present if requested and if this is a brain MRI."},
    )
    heatmap = fields.String(
        metadata={
            "description": "The image, or the deciding slice of a volume, with the evidence for the predicted class "
            "drawn over it, as a data: URL of a JPEG; present if requested and if this is a brain MRI."
        }
    )
    model = fields.String(**_is("Name of the model that answered."))
    model_version = fields.String(**_is("Version of that model."))
    model_sha256 = fields.String(validate=_SHA256, **_is("SHA-256 of that model's weights."))
    format = fields.String(**_is("Format that the content showed."))
    notes = fields.List(fields.String(), **_is("Warnings about the image or volume."))
    seconds = fields.Float(validate=_COUNT, **_is("Time from bytes to probabilities, in seconds."))


class ImageReadingSchema(ReadingSchema):
    """The answer to one image."""

    kind = fields.String(validate=OneOf(("image",)), **_is("What was read: one image."))
    width_px = fields.Integer(validate=Range(min=1), **_is("Width of the image, in pixels."))
    height_px = fields.Integer(validate=Range(min=1), **_is("Height of the image, in pixels."))


class SliceSchema(OpinionSchema):
    """The answer to one slice of a volume."""

    slice_index = fields.Integer(validate=_SLICE_NUMBER, **_is("Number of the slice in the volume, from 1."))


class VolumeReadingSchema(ReadingSchema):
    """The answer to one volume, of one file or several."""

    kind = fields.String(validate=OneOf(("volume",)), **_is("What was read: a volume."))
    plane = fields.String(allow_none=True, **_is("Plane of the slices, as axial; null where it is not known."))
    n_slices = fields.Integer(validate=_COUNT, **_is("Number of slices of the volume."))
    n_classified = fields.Integer(validate=_COUNT, **_is("Number of slices that the network classified."))
    n_brain_mri = fields.Integer(validate=_COUNT, **_is("Number of those that are brain MRI slices."))
    key_slice = fields.Integer(
        allow_none=True, validate=_SLICE_NUMBER, **_is("Number of the slice to look at first, from 1.")
    )
    first_slice = fields.Integer(
        allow_none=True, validate=_SLICE_NUMBER, **_is("Number of the first slice that the answer rests on, from 1.")
    )
    last_slice = fields.Integer(
        allow_none=True, validate=_SLICE_NUMBER, **_is("Number of the last slice that the answer rests on, from 1.")
    )
    slices = fields.List(fields.Nested(SliceSchema), **_is("The answer to each slice that was classified, in order."))


class FileErrorSchema(OpenSchema):
    """Why a file got no answer."""

    code = fields.String(
        validate=OneOf([code for code, row in CODES.items() if row.of_form or code == "overloaded"]),
        **_is("The stable code."),
    )
    detail = fields.String(**_is("What was expected, what was received and what to do, in a sentence."))


class RefusedSchema(PlaceSchema):
    """A file without an answer, in its place."""

    error = fields.Nested(FileErrorSchema, **_is("Why there is no answer."))


def name_of(schema: type[Schema]) -> str:
    """Return the name of a schema in the OpenAPI document."""
    return schema.__name__.removesuffix("Schema")


class AnyReading(fields.Raw):
    """One of `schemas`: `error` marks a refused file, `kind` names the others."""

    schemas: tuple[type[Schema], ...] = (ImageReadingSchema, VolumeReadingSchema, RefusedSchema)

    def __init__(self) -> None:
        references = [{"$ref": f"#/components/schemas/{name_of(schema)}"} for schema in self.schemas]
        super().__init__(metadata={"oneOf": references})

    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return _made(_schema_of(value)).dump(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return _made(_schema_of(value)).load(value)


@functools.cache
def _made(schema: type[Schema]) -> Schema:
    """Return a schema's object, made once, since making it costs more than using it."""
    return schema()


def _schema_of(result: Mapping[str, Any]) -> type[Schema]:
    if "error" in result:
        return RefusedSchema
    return VolumeReadingSchema if result.get("kind") == "volume" else ImageReadingSchema


class PredictionsSchema(OpenSchema):
    """The results of one request."""

    results = fields.List(AnyReading(), **_is("One result per image, volume or refused file, in the order given."))
    date = fields.DateTime(format="iso", **_is("When the answer was given, in UTC."))
    disclaimer = fields.String(**_is("What these answers are not for."))


class ModelSchema(OpenSchema):
    """A model that can be chosen, as its card has it."""

    name = fields.String(**_is("The name that it is chosen by."))
    title = fields.String(**_is("What it tells apart."))
    version = fields.String(**_is("Its version."))
    task = fields.String(validate=OneOf(tuple(CLASS_NAMES)), **_is("Its task: the type of a tumor, or its presence."))
    class_names = fields.List(fields.String(), **_is("Its classes, in the order of the network's outputs."))
    sha256 = fields.String(**_is("SHA-256 of its weights, in hexadecimal."))
    intended_use = fields.String(**_is("What it was made for."))
    limits = fields.List(fields.String(), **_is("What it cannot do."))
    decision = fields.Dict(
        keys=fields.String(), values=fields.Float(), **_is("The numbers that turn probabilities into an answer.")
    )
    metrics = fields.Dict(keys=fields.String(), **_is("What an evaluation measured, by data set."))


class ModelsSchema(OpenSchema):
    """The models that can be chosen."""

    precision = fields.String(
        validate=OneOf((FLOAT32, BFLOAT16)),
        **_is("How they compute: float32, or bfloat16, with which probabilities differ a little."),
    )
    models = fields.List(fields.Nested(ModelSchema), **_is("The models, the default one first."))


class EvaluatedModelSchema(OpenSchema):
    """A published model and its figures."""

    name = fields.String(**_is("Name of the model."))
    version = fields.String(**_is("Its version."))
    sha256 = fields.String(**_is("SHA-256 of its weights, in hexadecimal."))
    metrics = fields.Dict(keys=fields.String(), **_is("What was measured, by data set."))


class ResultsSchema(OpenSchema):
    """The results of the evaluation; more fields may follow."""

    models = fields.List(fields.Nested(EvaluatedModelSchema), **_is("The published models with their figures."))


class ProblemSchema(OpenSchema):
    """An RFC 9457 problem."""

    type = fields.String(**_is("Address of the code's description.", format="uri-reference"))
    title = fields.String(**_is("The HTTP status in words."))
    status = fields.Integer(validate=Range(min=400, max=599), **_is("The HTTP status."))
    code = fields.String(validate=OneOf(tuple(CODES)), **_is("The stable code; programs should look at this."))
    detail = fields.String(**_is("What was expected, what was received and what to do, in a sentence."))
    request_id = fields.String(
        validate=Regexp(r"^[0-9a-f]{16}$"), **_is("Id of the request, as in the header X-Request-Id and in the log.")
    )
