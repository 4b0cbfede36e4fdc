"""A trained model as everybody uses it: images in, answers out, by onnxruntime; no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from euinet.answers import Answers
from euinet.data.tables.given import read_rows
from euinet.errors import StorageError, UsageError
from euinet.images.given import Images, read_images
from euinet.images.preprocessing import SMALLEST_SIDE, Preprocessing
from euinet.images.sources import Read
from euinet.model.backbone_part import without_backbone
from euinet.model.card import ModelCard
from euinet.model.conformal import Calibration, check_enough
from euinet.model.copying import copy_network
from euinet.model.decision_file import ANSWERS, OUTPUTS, Description, read_calibration, with_calibration
from euinet.model.engine import Engine, OnnxEngine, Outputs, damaged
from euinet.model.frozen import FrozenBackbone
from euinet.model.names import CONFIG_FILE, DECISION_FILE, WEIGHTS_FILE
from euinet.model.onnx_part import OnnxPart
from euinet.model.seen import KEY as SEEN_KEY
from euinet.model.seen import SeenImages, calibration_images, from_text, load_seen, save_seen
from euinet.model.sound import check_sound, sound_answers
from euinet.records import Decision, LabelledImages
from euinet.system.extras import needed_for
from euinet.system.files import write_bytes

if TYPE_CHECKING:
    import torch

    from euinet.trained.model import TrainedModel

Pixels = npt.NDArray[np.uint8]
BATCH = 256  # images a pass: larger ones leave the cache; scores do not depend on it


class Model:
    """A decision file: a class or "none of these" for each image, with a promised share of false alarms.

    Made by `euinet.load` or `euinet.fit`. It does not change: `calibrate` and `with_alpha` return another.
    """

    def __init__(
        self,
        content: bytes,
        name: str,
        *,
        folder: Path | None = None,
        seen_file: Path | None = None,
        trained: TrainedModel | None = None,
        engine: Engine | None = None,
        threads: int | None = None,
    ) -> None:
        self.name = name  # as it was asked for
        self.folder = folder  # where the network lies; None: in `trained`, or nowhere
        self._content, self._trained, self._seen_file = content, trained, seen_file
        self._engine = engine or OnnxEngine(content, name, threads)
        self.description: Description = self._engine.description
        self.calibration: Calibration | None
        try:
            self.calibration = read_calibration(content, self.description)
        except Exception as error:  # whatever hostile constants lead to
            raise damaged(name, error) from error

    def __repr__(self) -> str:
        promise = "no promise" if self.alpha is None else f"alpha={self.alpha:g}"
        return f"<euinet.Model {self.name}: {len(self.class_names)} classes, {promise}>"

    @property
    def card(self) -> ModelCard:
        """What it is and where it comes from."""
        return self.description.card

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K known classes, in label order."""
        return self.card.class_names

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image file becomes what the model reads."""
        return self.card.preprocessing

    @property
    def reads(self) -> Preprocessing:
        """How sources are read for it. (Rows of embeddings come as they are: then it is not looked at.)"""
        return self.preprocessing if self.card.reads_images else Preprocessing(1, SMALLEST_SIDE)

    @property
    def alpha(self) -> float | None:
        """The promised share of false alarms; None: no promise was made."""
        return None if self.calibration is None else self.calibration.alpha

    @property
    def calibration_images(self) -> int:
        """How many images promise it; 0: there are no p-values."""
        return 0 if self.calibration is None else len(self.calibration)

    @property
    def device(self) -> str:
        """Where it computes: cpu, cuda or mps."""
        return self._engine.device

    @cached_property
    def _parts(self) -> tuple[bytes, bytes]:
        """The graph of the backbone, and the decision on what it gives."""
        try:
            return without_backbone(self._content)
        except Exception as error:  # whatever a hostile graph leads to
            raise damaged(self.name, error) from error

    @cached_property
    def backbone(self) -> FrozenBackbone | None:
        """What makes embeddings of images, alone; None where the model has none."""
        if self.card.backbone is None:
            return None
        return FrozenBackbone(self._parts[0], self.card.backbone, self.preprocessing)

    @cached_property
    def on_embeddings(self) -> Model:
        """The same model behind its backbone: it reads what that gives, and decides the same.

        A model without a backbone is itself.
        """
        if self.card.backbone is None:
            return self
        return Model(self._parts[1], self.name, seen_file=self._seen_file, trained=self._trained)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the decision file, in hexadecimal digits."""
        return hashlib.sha256(self._content).hexdigest()

    @cached_property
    def seen(self) -> SeenImages | None:
        """Digests of the images that it has learned from; None where they did not come with it.

        Raises StorageError where they are damaged.
        """
        if self._trained is not None:
            return self._trained.seen
        try:
            text = OnnxPart(self._content).metadata(SEEN_KEY)
            if text is not None:
                return from_text(text)
        except ValueError as error:
            raise damaged(self.name, error) from error
        return None if self._seen_file is None else load_seen(self._seen_file)

    def predict(self, images: Images, *, keep_going: bool = False) -> Answers:
        """Return for each image a label or "none of these", and why.

        `images`: paths, folders, Pillow images, uint8 arrays or tensors, one or a list of them: see
        `read_images`; for a model of embeddings rows of them, or a table: see `read_rows`. Raises UsageError
        for what is no image, DataError for a file that cannot be read; with `keep_going` such a file is a row
        with its error. So is an image for which the model has no answer, for which StorageError is raised
        without.
        """
        reads = list(self._reads(images, keep_going=keep_going))
        good = [read.pixels for read in reads if read.pixels is not None]
        found = self.answer(self._stack(good))
        why, at = iter(found.errors or [None] * len(good)), iter(range(len(good)))
        errors = tuple(next(why) if read.pixels is not None else read.error for read in reads)
        answers = replace(found, paths=tuple(read.path for read in reads))
        if not any(errors):
            return answers
        if not keep_going:
            raise StorageError(next(error for error in errors if error))
        places = [-1 if read.pixels is None else next(at) for read in reads]
        return answers.spread(np.array(places), errors)

    def answer(self, pixels: Pixels) -> Answers:
        """Return the answers for uint8 images (N, C, H, W) in the model's size, and of no others.

        Where the model has none (see model/sound.py), the row has an error.
        """
        return sound_answers(self.run(pixels, ANSWERS), self.calibration, self.class_names)

    def answer_with_reasons(self, pixels: Pixels) -> tuple[Answers, Outputs]:
        """Return what `answer` does, and all outputs of the decision file, in one pass."""
        found = self.run(pixels, OUTPUTS)
        return sound_answers(found, self.calibration, self.class_names), found

    def decide(self, pixels: Pixels) -> Decision:
        """Return the decision, with all that led to it, for uint8 images (N, C, H, W) in the model's size.

        Raises StorageError where the model has no answer for one: what is counted must not miss it.
        """
        found = self.run(
            pixels, ("label", "best_class", "ood_score", "scores", "probabilities", "disc_score")
        )
        check_sound(found, self.calibration, len(self.class_names))
        thresholds = np.zeros(len(self.class_names), np.float32)
        if self.calibration is not None:
            thresholds = self.calibration.thresholds(len(thresholds))
        return Decision(
            labels=found["label"],
            ood_score=found["ood_score"],
            scores=found["scores"],
            probabilities=found["probabilities"],
            disc_score=found["disc_score"],
            threshold=thresholds[found["best_class"]],
        )

    def features(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Return (N, F) what the classifier reads of uint8 images (N, C, H, W) in the model's size.

        Raises StorageError where these are no finite numbers.
        """
        found = self.run(pixels, ("features",))
        check_sound(found, None, len(self.class_names))
        return found["features"]

    def run(self, pixels: Pixels, names: Sequence[str]) -> Outputs:
        """Return outputs of the decision file (`decision_file.OUTPUTS`) for uint8 images (N, C, H, W).

        A model of embeddings takes float32 rows (N, F).
        """
        self._check_input(pixels)
        as_read = np.asarray if self.card.reads_images else partial(np.asarray, dtype=np.float32)
        starts = range(0, max(len(pixels), 1), BATCH)
        parts = [self._engine.run(as_read(pixels[start : start + BATCH]), names) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _check_input(self, pixels: Pixels) -> None:
        card = self.card
        kind, shape = getattr(pixels, "dtype", type(pixels).__name__), getattr(pixels, "shape", ())
        if card.reads_images:
            fits = type(pixels) in (np.ndarray, np.memmap) and kind == np.uint8
            what = ("images", "uint8 (0 … 255)", "arrays of NumPy, or others to predict, which converts them")
        else:  # rows that lie in a file, too
            fits = kind in (np.float32, np.float16) and hasattr(pixels, "__array__")
            what = ("embeddings", "float32", "the rows that its backbone makes, as an array of float32")
        if not fits or tuple(shape[1:]) != card.input_shape:
            raise UsageError(
                f"The {what[0]} are {str(kind)[:60]} of shape {shape or 'unknown'}, but the model reads "
                f"{what[1]} of shape (N, {', '.join(map(str, card.input_shape))}): give {what[2]}."
            )

    def calibrate(self, images: Images, alpha: float | None, *, per_class: bool = False) -> Model:
        """Return the same model with α promised by known images that it never saw; see `predict` for them.

        Of images with the same pixels one counts. Nothing else of it changes. Raises UsageError for images
        that it has learned from and, with the number needed, for too few.
        """
        reads = self._reads(images)
        pixels = self._stack([read.pixels for read in reads if read.pixels is not None])
        known = LabelledImages(pixels, np.zeros(len(pixels), np.int64))
        return self.calibrated_by(known, alpha, per_class=per_class)

    def calibrated_by(self, known: LabelledImages, alpha: float | None, *, per_class: bool = False) -> Model:
        """Return what `calibrate` does, for images in the model's size or for embeddings.

        A model with a backbone takes either: embeddings are what its backbone made of images.
        """
        images = calibration_images(known, self.seen)
        reader = self.on_embeddings if known.are_vectors else self
        found = reader.run(images, ("ood_score", "best_class"))
        check_sound(found, None, len(self.class_names))
        return self._calibrated(Calibration(found["ood_score"], found["best_class"], alpha, per_class))

    def with_alpha(self, alpha: float | None, *, per_class: bool = False) -> Model:
        """Return the same model with another α, by the calibration scores that it keeps.

        Raises UsageError when it keeps none, or too few for this α.
        """
        if self.calibration is None:
            raise UsageError("The model keeps no calibration scores: calibrate it with known images first.")
        return self._calibrated(replace(self.calibration, alpha=alpha, per_class=per_class))

    def on(self, device: str) -> Model:
        """Return the same model computing on `device`: cpu by onnxruntime, cuda or mps by torch.

        Raises UsageError where there is no such device, or for an exported file, whose network is not there.
        """
        if device in ("auto", "cpu", self.device):
            return self
        if self.card.backbone is not None:
            raise UsageError(
                f"A model with a backbone computes on the processor, by onnxruntime, not on {device}: leave "
                "the device out."
            )
        with needed_for(f"device {device}"):
            from euinet.export.engine import torch_engine

        engine = torch_engine(self.torch(), self.description, device)
        return self._with(self._content, engine)

    def torch(self, device: str | torch.device = "cpu") -> TrainedModel:
        """Return the network with its card and calibration, to look into or to learn on.

        Raises UsageError without torch, or for an exported file, whose network is not there.
        """
        if self._trained is not None:
            found = replace(self._trained, network=self._trained.network.to(device))
            found = replace(found, backbone_graph=self.backbone_graph)
            return replace(found, card=self.card, calibration=self.calibration)
        if self.folder is None:
            raise UsageError(
                f"{self.name} is an exported file and holds no network of torch: give the model's folder, "
                f"with {CONFIG_FILE} and {WEIGHTS_FILE}."
            )
        with needed_for("the network of a model"):
            from euinet.trained.model import load_trained

        found = load_trained(self.folder, device)
        card = replace(found.card, metrics=self.card.metrics)
        return replace(found, card=card, calibration=self.calibration, backbone_graph=self.backbone_graph)

    @property
    def backbone_graph(self) -> bytes | None:
        """The graph that makes embeddings of images; None where there is none."""
        return None if self.backbone is None else self.backbone.content

    def save_onnx(self, path: str | Path) -> None:
        """Write the decision file, and in it what the model has learned from, to `path`, whole or not at all.

        Raises StorageError.
        """
        content = self._content
        if self.seen is not None:
            part = OnnxPart(content)
            part.set_metadata(SEEN_KEY, self.seen.to_text())
            content = part.to_bytes()
        write_bytes(Path(path), content)

    def save_decision(self, path: Path) -> None:
        """Write the decision file alone to `path`, whole or not at all. Raises StorageError."""
        write_bytes(path, self._content)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to `folder`, each file whole or not at all: the network too, where there is one.

        Raises StorageError.
        """
        folder = Path(folder)
        if self._trained is not None:
            from euinet.trained.model import save_network

            save_network(self.torch(), folder)
        elif self.folder is not None:
            copy_network(self.folder, folder, self.card.metrics)
        save_seen(self.seen, folder)
        self.save_decision(folder / DECISION_FILE)

    def _calibrated(self, calibration: Calibration) -> Model:
        check_enough(calibration, self.class_names)
        description = replace(self.description, card=self.card.recalibrated())
        content = with_calibration(self._content, description, calibration)
        engine = self._engine.calibrated(content, description, calibration)
        return self._with(content, engine)

    def _with(self, content: bytes, engine: Engine) -> Model:
        own = {"folder": self.folder, "seen_file": self._seen_file, "trained": self._trained}
        return Model(content, self.name, engine=engine, **own)  # type: ignore[arg-type]

    def _reads(self, images: Images, *, keep_going: bool = False) -> Iterator[Read]:
        if self.card.reads_images:
            return read_images(images, self.preprocessing, keep_going=keep_going)
        return read_rows(images, self.card.width, keep_going=keep_going)

    def _stack(self, images: Sequence[Pixels]) -> Pixels:
        if images:
            return np.stack(images)
        kind = np.uint8 if self.card.reads_images else np.float32
        return np.empty((0, *self.card.input_shape), kind)
