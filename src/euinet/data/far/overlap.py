"""What a far set must not hold: images of classes that the model knows, and known images themselves.

Counted as unknown they would make a model look bad for being right. Classes are compared by name, letter
by letter; images by their bytes, so that a recompressed copy of a known image is not found.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from euinet.answers import Digests
from euinet.data.far.sets import FarReader, FarSet, read_far
from euinet.data.split.fingerprint import image_digests
from euinet.errors import UsageError
from euinet.records import Dataset
from euinet.system.notify import Notify


def get_far_set(
    name: str,
    dataset: Dataset,
    known_names: Sequence[str],
    reader: FarReader,
    notify: Notify,
) -> FarSet:
    """Return the far set `name` as a model reads it, without what is known; remarks are told.

    Raises as `read_far` and `leave_out_known` do.
    """
    far = read_far(name, reader, notify=notify)
    far = leave_out_known(far, dataset, known_names)
    if far.remark:
        notify(f"{name}: {far.remark}.")
    return far


def leave_out_known(far: FarSet, dataset: Dataset, known_names: Sequence[str]) -> FarSet:
    """Return `far` without the images of the classes `known_names` and without `dataset`'s images of these.

    The set's remark says how many were left out and why. Of a folder's images each folder on the way counts
    as a class name: `3/a.png` and `test/3/a.png` are of class 3. `dataset`'s training images count as well
    as its test images. Raises UsageError when nothing is left.
    """
    labels = far.labels or ("",) * len(far.images)
    classes = [_known_class(label, known_names) for label in labels]
    of_known_class = np.array([name is not None for name in classes])
    copies = np.isin(far.content_digests, known_digests(dataset, known_names)) & ~of_known_class
    reasons = []
    if of_known_class.any():
        counted = Counter(name for name in classes if name is not None)
        listed = ", ".join(f"{name} ({counted[name]})" for name in known_names if name in counted)
        reasons.append(f"{int(of_known_class.sum())} images of classes that the model knows: {listed}")
    if copies.any():
        reasons.append(f"{int(copies.sum())} copies of known images of {dataset.name}")
    if not reasons:
        return far
    left_out, reason = of_known_class | copies, " and ".join(reasons)
    if left_out.all():
        raise UsageError(
            f"Nothing is left of the far set {far.name}, which has {reason}; give images of other classes, "
            "or other names to folders whose names only happen to be the same."
        )
    return far.where(~left_out, f"left out {reason}")


def known_digests(dataset: Dataset, known_names: Sequence[str]) -> Digests:
    """Return the digests of `dataset`'s training and test images of the classes `known_names`."""
    numbers = [dataset.class_names.index(name) for name in known_names]
    parts = (dataset.train, dataset.test)
    return np.concatenate([image_digests(part.where(np.isin(part.labels, numbers))) for part in parts])


def _known_class(label: str, known_names: Sequence[str]) -> str | None:
    return next((name for name in known_names if name in (label, *label.split("/"))), None)
