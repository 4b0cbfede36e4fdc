"""EuiNet: an image classifier that gives a class or says "none of these"."""

__version__ = "0.1.0"
