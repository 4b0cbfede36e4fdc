"""Held-out classes × seeds × detectors, one trained model a cell: results one can believe.

What enters this folder: a data set, the splits to hold out, seeds, a preset, detectors and far sets.
What leaves it: a folder with each cell's model and result, `results.csv`, `results.json`, the tables in
`summary.md` and `summary.json`, and `most_wrong.png`.

In the order of the work: `plan` (which cells) → `run` (what is left to do; `workers` share it out, `lock`
keeps others out) → `cell` (train, score, measure one; `measures` has the numbers) → `store` (results as they
come) → `tables` (from results alone; `study` and `intervals` have the statistics) → `findings`, `columns` and
`summary` (words) and `pictures`.
"""
