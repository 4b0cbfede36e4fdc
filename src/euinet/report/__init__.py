"""Figures, tables and one self-contained page from a finished evaluation.

Enters: one `euinet.records.EvaluationRecord`, and the report's own numbers (`EUINET_REPORT`) or None.
Leaves: `figure-01.png`, `figure-06.png` … `figure-21.png` (the report's numbering), `extra-*.png`
and `report.html`, each written whole or not at all.

Read `write.py` first, then `figures.py` (what is drawn, in order), `tables.py` (every number),
`remarks.py` (every sentence) and `html.py`.
"""
