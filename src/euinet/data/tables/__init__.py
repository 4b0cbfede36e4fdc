"""Embeddings that somebody else computed: a table goes in, rows (N, F) of float32 with their labels come out.

`reading` says what a file is and `columns` what in it is what; `parquet_rows`, `numpy_files` and `csv_files`
read it, `label_files` labels that lie beside it. A `Table` (`table`) becomes a `Dataset` (`dataset`), or is
answered row by row (`inputs`). An array in a .npy or .npz file stays there and is mapped, Parquet is read a
few megabytes at a time; what is learned on of it is one float32 array, and never held twice.
"""
