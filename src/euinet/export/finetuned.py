"""A frozen backbone whose last stages learn on known training images, and then is frozen again.

features as published → split → fine-tuning on the split's training images alone → the new network's graph
"""

from pathlib import Path

import numpy as np
from lightning_fabric import Fabric

from euinet.data.embedded.dataset import content_of
from euinet.data.sets.datasets import DATASETS
from euinet.data.split.fingerprint import image_digests
from euinet.errors import UsageError
from euinet.export.published import freeze
from euinet.model.backbone import OnnxEmbedder
from euinet.model.frozen import FrozenBackbone
from euinet.networks.pretrained import pretrained
from euinet.records import Split
from euinet.system.notify import Notify
from euinet.training.finetune import finetune


def finetuned(
    data: str,
    split: Split,
    embedder: OnnxEmbedder,
    name: str,
    weights: str,
    *,
    epochs: int,
    seed: int,
    folder: Path,
    fabric: Fabric,
    data_root: Path | None,
    notify: Notify,
) -> FrozenBackbone:
    """Return the published network `name`, fine-tuned on the training images of a split of `data`.

    No image that sets ranges, calibrates or judges is seen, nor any of a held-out class. Raises UsageError
    for data that are in memory, TrainingError, ExportError.
    """
    if data in DATASETS:
        raise UsageError(f"--finetune reads image files, and {data} has none: give a folder of images.")
    contents, labels, names = content_of(data, embedder, image_digests(split.train), data_root, notify)
    places = np.array([split.class_names.index(n) if n in split.class_names else -1 for n in names])
    assert (places[labels] >= 0).all()  # the split's training part has known classes alone
    network = finetune(
        pretrained(name, weights),
        contents,
        places[labels],
        len(split.class_names),
        epochs=epochs,
        seed=seed,
        folder=folder,
        fabric=fabric,
        identity={"backbone": embedder.digest, "data": split.dataset, "classes": list(split.class_names)},
        notify=notify,
    )
    return freeze(network, epochs)
