"""A search for better settings, judged by pseudo-unknowns on validation images: no unknown helps to choose.

What enters this folder: a data set, the classes held out, a preset, the settings to search and their ranges.
What leaves it: a folder with every trial's results, `trials.csv`, `best.json` and `history.png`.

In the order of the work: `space` (what is searched) → `plan` (which cells judge a trial, and what makes two
searches the same) → `run` (the whole; `workers` for several processes) → `loop` (take a trial, run it, tell)
→ `journal` (Optuna's journal and the locks that say who is alive) and `sampler` (the next trial's values) →
`trial` (its cells, as the benchmark runs them) → `tables`, `summary` and `picture` (from results alone).
"""
