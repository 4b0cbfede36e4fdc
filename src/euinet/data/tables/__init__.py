"""Embeddings that somebody else computed: a table goes in, rows (N, F) of float32 with their labels come out.

`reading` says what a file is and `columns` what in it is what; `parquet_rows`, `numpy_files` and `csv_files`
read it, `label_files` labels that lie beside it. A `Table` (`table`) becomes a `Dataset` (`dataset`), or is
answered row by row (`inputs`).

What is held in memory: of a .npy file of float32 or float16 nothing, it is mapped where it lies; of a
Parquet or CSV file one float32 array, read a few megabytes at a time; of a .npz file its arrays. float64
becomes a second array, in float32. Parts of the data are positions of rows, and no copies
(`data/embedded/rows.py`).
"""
