"""A model and images go in; for each image its answer and what led to it come out, as plain values for JSON.

`explainer` reads the decision and its parts from one pass, `bank` finds the nearest training images. The page
shows it; in a browser without a server an exported model says the same.
"""

from euinet.explain.bank import Neighbour, NeighbourBank, load_bank
from euinet.explain.explainer import Explainer

__all__ = ["Explainer", "Neighbour", "NeighbourBank", "load_bank"]
