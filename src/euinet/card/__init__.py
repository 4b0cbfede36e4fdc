"""The stress card: one page for people who must decide whether to deploy a model.

Enters: a `Model`, the data set whose test images are judged, and the names of far sets.
Leaves: one self-contained HTML file, and the numbers on it as plain values.

Read `make.py` first: `gather` (which images) → `measured` (every number; `promise`, `curve`, `classes`,
`unknowns`, `stress` with `changes`, `wrong`) → `verdict`, `facts` (every sentence) → `figures`, `svg`,
`pictures`, `page` and `templates/`. Nothing on the card sets a threshold or trains anything.
"""
