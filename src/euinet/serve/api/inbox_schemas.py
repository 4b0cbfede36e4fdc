"""The shapes of the inbox's requests and answers: checked at each request, shown in the OpenAPI document."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from euinet.inbox.pictures import KEY_DIGITS

MOST_KEYS = 5_000
Key = Annotated[str, StringConstraints(pattern=f"^[0-9a-f]{{{KEY_DIGITS}}}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SomeImages(_Strict):
    """Images by their keys."""

    keys: list[Key] = Field(max_length=MOST_KEYS)


class WholeGroup(_Strict):
    """The new images of a group."""

    group: int = Field(ge=0, le=2**53)
    size: Annotated[int, Field(ge=0, le=2**31)] | None = Field(
        default=None, description="How large the group was when it was seen; refused if it has changed."
    )


class _Label(_Strict):
    label: str = Field(min_length=1, max_length=200, description="A class's name, new or known.")


class LabelSome(SomeImages, _Label):
    """Images by their keys, and their class."""


class LabelGroup(WholeGroup, _Label):
    """The new images of a group, and their class."""


class Drawing(_Strict):
    """An image to keep, as the model reads it."""

    shape: Annotated[list[Annotated[int, Field(ge=1, le=2048)]], Field(min_length=3, max_length=3)] = Field(
        description="Channels, height, width."
    )
    image: str = Field(max_length=2_000_000, description="Base64 of the uint8 values, channels first.")
    name: str = Field(default="drawing", max_length=200)


class ItemRow(BaseModel):
    """An image that is kept; its pixels are under items/KEY/image."""

    key: str
    name: str = Field(description="Of the file that was sent, shortened.")
    source: Literal["predict", "drawing"]
    first_seen: float = Field(description="Seconds since 1970, UTC.")
    last_seen: float
    seen: int = Field(description="How often equal pixels came.")
    bytes: int
    best_class: str
    rejected: bool
    ood_score: float
    p_value: float | None
    status: Literal["new", "labelled", "nuisance"]
    label: str | None
    group: int | None


class Items(BaseModel):
    """A page of images."""

    items: list[ItemRow]
    total: int = Field(description="How many images fit the filters.")
    offset: int


class GroupRow(BaseModel):
    """New images that look alike to the model."""

    id: int = Field(description="The same while most of its images are; 0: those unlike any other.")
    size: int
    representatives: list[str] = Field(description="Keys, from the most typical one to the least.")
    best_classes: dict[str, int] = Field(description="What the classifier took them for.")
    first_seen: float
    last_seen: float


class Groups(BaseModel):
    """Groups, the largest first."""

    groups: list[GroupRow]


class ChangedImages(BaseModel):
    """What was done."""

    images: int
    what: str


class Undone(BaseModel):
    """What was taken back; null: there was nothing."""

    images: int
    what: str | None


class InboxLimits(BaseModel):
    """How much is kept, and for how long."""

    images: int
    megabytes: float
    days: float
    labelled_days: float
    per_second: float


class Counters(BaseModel):
    """What became of rejected images since the start."""

    offered: int
    kept: int
    repeated: int
    passed_over: int
    failed: int


class Summary(BaseModel):
    """How much is in the inbox."""

    images: int
    new: int
    labelled: int
    nuisance: int
    bytes: int
    oldest: float | None
    labels: dict[str, int]
    last_action: str | None = Field(description="What undo would take back.")
    class_names: list[str] = Field(description="Of the model.")
    limits: InboxLimits
    counters: Counters
    failure: str | None = Field(description="Why nothing is kept at the moment.")


class WindowRow(BaseModel):
    """The p-values of an hour or a day."""

    start: float
    hours: int
    images: int
    rejected: int
    low: float = Field(description="Share of p-values up to 0.05; about that much of known images.")
    over: bool
    alarm: bool = Field(description="Whether an alarm was raised in it.")


class DriftReport(BaseModel):
    """Whether the world is still as it was."""

    alarm: bool
    sentence: str
    false_alarms: str
    alpha: float | None
    hours: list[WindowRow]
    days: list[WindowRow]
