"""Where images come from, and who may see them.

What enters this folder: a data set's name or a folder of images, and the classes to hold out.
What leaves it: a `Dataset` (all classes, the data set's own labels) and then a `Split`, whose train,
validation (to set ranges by) and calibration (for the promise) parts are disjoint and hold known classes
only, and whose test part holds everything, unknown classes under negative labels. Images are uint8,
(N, C, H, W), 0 … 255.

In the order of the way an image takes: `sources` (where the files are; `ways`, `integrity`, `idx`, `cifar`,
`digits`, `folders` and `images` help) → `datasets` → `holdout`, which `leaks` checks.

Beside that way, for evaluation alone: `far` gets a far set, images of which none is known (`noise`,
`letters`, `far_files` and `far_idx` help), and `overlap` takes out what a model knows after all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from euinet.data.datasets import DATASET_NAMES, fetch_dataset, load_dataset
    from euinet.data.far import FAR_NAMES, FarSet, load_far
    from euinet.data.holdout import hold_out_classes, hold_out_known_class, pseudo_dataset, split_dataset
    from euinet.data.images import IMAGE_SUFFIXES, conform, read_image
    from euinet.data.leaks import verify_split
    from euinet.data.overlap import get_far_set, leave_out_known
    from euinet.data.sources import Notify, data_root

__all__ = [
    "DATASET_NAMES",
    "FAR_NAMES",
    "IMAGE_SUFFIXES",
    "FarSet",
    "Notify",
    "conform",
    "data_root",
    "fetch_dataset",
    "get_far_set",
    "hold_out_classes",
    "hold_out_known_class",
    "leave_out_known",
    "load_dataset",
    "load_far",
    "pseudo_dataset",
    "read_image",
    "split_dataset",
    "verify_split",
]

# Not imported above: torch costs seconds, and some modules here (`arrays`, `integrity`) do without.
_HOME = {
    "DATASET_NAMES": "datasets",
    "FAR_NAMES": "far",
    "FarSet": "far",
    "IMAGE_SUFFIXES": "images",
    "Notify": "sources",
    "conform": "images",
    "data_root": "sources",
    "fetch_dataset": "datasets",
    "get_far_set": "overlap",
    "hold_out_classes": "holdout",
    "hold_out_known_class": "holdout",
    "leave_out_known": "overlap",
    "load_dataset": "datasets",
    "load_far": "far",
    "pseudo_dataset": "holdout",
    "read_image": "images",
    "split_dataset": "holdout",
    "verify_split": "leaks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
