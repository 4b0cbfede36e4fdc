"""The shapes of requests and answers, for the OpenAPI document. Checked in the tests, not at each request."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """Why a request was not answered as asked."""

    error: str = Field(description="One sentence.")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="The file's name as it was sent, or images[0], images[1] …")


class Answer(BaseModel):
    """What the model says of an image."""

    label: str | None = Field(description="The class; null: none of these.")
    best_class: str = Field(description="What the classifier would have said.")
    rejected: bool
    ood_score: float = Field(description="Higher: odder.")
    p_value: float | None = Field(description="Share of known images that look as odd.", ge=0, le=1)
    reject_probability: float = Field(ge=0, le=1, description="Of none of these, in the one softmax.")
    probabilities: dict[str, float] = Field(description="Of each class, in the one softmax.")


class AnswerRow(Answer, _Row):
    """An image's answer, as `euinet predict --json` gives it."""

    remark: str | None = Field(default=None, description="What was done to the image to read it.")


class ErrorRow(_Row):
    """An image that could not be read."""

    error: str = Field(description="One sentence.")


class Predictions(BaseModel):
    """A row for each image, in the order in which they were sent."""

    model: str
    predictions: list[AnswerRow | ErrorRow]


class UnreadablePredictions(Problem):
    """Of all images none could be read: a sentence, and each one's own. Other refusals have no rows."""

    model: str | None = None
    predictions: list[ErrorRow] | None = None


class PlainImage(BaseModel):
    """An image (channels, height, width)."""

    shape: list[int]
    pixels: str = Field(description="Base64 of the uint8 values, channels first.")


class PlainValues(BaseModel):
    """Numbers (channels, height, width)."""

    shape: list[int]
    values: str = Field(description="Base64 of the float32 values, little endian.")


class NearImage(BaseModel):
    """A training image near to the one explained."""

    label: str
    distance: float = Field(description="1 − cosine of the features, 0 … 2.")
    image: PlainImage


class Explanation(_Row):
    """An image's answer and what led to it."""

    answer: Answer
    threshold: float = Field(description="α·h + γ as it enters the softmax.")
    disc_score: float = Field(description="h, 0 real … 1 fake.")
    disc_added: float = Field(description="What h adds to the threshold: eq. 4 without γ.")
    logits: dict[str, float] = Field(description="Of each class, as they enter the softmax.")
    image: PlainImage | None = Field(description="What the network was given; null: an embedding.")
    change: PlainValues | None = Field(
        description="What the perturbation added, in pixels 0 … 255; null: it was to an embedding."
    )
    neighbours: list[NearImage]
    remark: str | None = None


class Explanations(BaseModel):
    """An explanation for each image."""

    model: str
    explanations: list[Explanation | ErrorRow]


class UnreadableExplanations(Problem):
    """Of all images none could be read: a sentence, and each one's own. Other refusals have no rows."""

    model: str | None = None
    explanations: list[ErrorRow] | None = None


class Features(BaseModel):
    """What this server can do besides predicting."""

    record: bool
    inbox: bool
    neighbours: bool


class Expected(BaseModel):
    """Estimated by leaving known classes out in turn; not promised."""

    alphas: list[float]
    caught: list[float] = Field(description="Mean share of a class left out that is rejected, by alpha.")
    classes: int = Field(description="How many were left out.")


class ModelFacts(BaseModel):
    """What the model is."""

    name: str
    data: str
    class_names: list[str]
    held_out: list[str]
    channels: int = Field(description="Of an image; 0: the model reads embeddings.")
    image_size: int
    width: int = Field(description="Numbers of an embedding; 0: the model reads images.")
    alpha: float | None = Field(description="Promised share of known images rejected by mistake.")
    per_class: bool
    calibration_images: int
    expected: Expected | None = Field(description="What should be caught of near unknowns; null: not known.")
    threshold: float | list[float] = Field(description="Of ood_score: above it an image is rejected.")
    settings: dict[str, Any] = Field(description="Temperature, perturbation and eq. 4.")
    preset: str
    metrics: dict[str, Any]
    euinet_version: str
    features: Features


class Health(BaseModel):
    """Whether requests are answered."""

    status: Literal["ready", "stopping"]


_PIXEL = {"type": "integer", "minimum": 0, "maximum": 255}


def _list(items: dict[str, Any], fewest: int = 1, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "minItems": fewest, "items": items} | (
        {} if most is None else {"maxItems": most}
    )


def images_body(most: int) -> dict[str, Any]:
    """Return OpenAPI's description of what predict and explain take."""
    plane = _list(_list(_PIXEL))
    images = [_list(image, most=most) for image in (plane, _list(plane, 1, 1), _list(plane, 3, 3))]
    form = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": {
                "type": "array",
                "minItems": 1,
                "maxItems": most,
                "items": {"type": "string", "format": "binary"},
                "description": "Image files: BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP.",
            }
        },
    }
    array = {
        "type": "object",
        "required": ["images"],
        "additionalProperties": False,
        "properties": {
            "images": {
                "anyOf": images,
                "description": "uint8, (N, height, width) or (N, 1 or 3, height, width); all rows of one "
                "length.",
            }
        },
    }
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": array}}
    return {"requestBody": {"required": True, "content": content}}


def embeddings_body(most: int, width: int) -> dict[str, Any]:
    """Return OpenAPI's description of what predict and explain take where a model reads embeddings."""
    rows = {
        "type": "object",
        "required": ["embeddings"],
        "additionalProperties": False,
        "properties": {
            "embeddings": _list(_list({"type": "number"}, width, width), most=most)
            | {"description": f"A row of {width:,} numbers for each image."}
        },
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": rows}}}}
