"""One trained model and sets of images go in; how far every detector finds each image out of distribution
comes out: EuiNet's own score, its parts alone, and pytorch-ood's post-hoc detectors.
"""

from euinet.detectors.catalogue import DETECTORS, OWN, POSTHOC, UNSUITABLE, Entry, register_detector
from euinet.detectors.choose import choose_detectors
from euinet.detectors.reads import FEATURES, IMAGES, LOGITS, FittedOn
from euinet.detectors.score import score_detectors
from euinet.detectors.subject import Scored, Subject

__all__ = [
    "DETECTORS",
    "FEATURES",
    "IMAGES",
    "LOGITS",
    "OWN",
    "POSTHOC",
    "UNSUITABLE",
    "Entry",
    "FittedOn",
    "Scored",
    "Subject",
    "choose_detectors",
    "register_detector",
    "score_detectors",
]
