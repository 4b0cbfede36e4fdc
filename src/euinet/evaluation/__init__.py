"""Scores and labels go in; metrics with one fixed sign convention come out: OOD is the positive class."""
