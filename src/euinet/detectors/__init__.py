"""One trained model and sets of images go in; how far every detector finds each image out of distribution
comes out: EuiNet's own score, its parts alone, and pytorch-ood's post-hoc detectors.
"""

from euinet.detectors.catalogue import OWN, POSTHOC, UNSUITABLE, Entry
from euinet.detectors.choose import choose_detectors, detector_names
from euinet.detectors.score import score_detectors
from euinet.detectors.subject import Scored, Subject

__all__ = [
    "OWN",
    "POSTHOC",
    "UNSUITABLE",
    "Entry",
    "Scored",
    "Subject",
    "choose_detectors",
    "detector_names",
    "score_detectors",
]
