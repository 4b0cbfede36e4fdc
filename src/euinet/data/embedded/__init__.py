"""Images that do not fit go in, each is read once; their features come out, and stay in a cache.

In the order of the work: `places` finds what lies at a place, `listing` is which images there are and of
which classes (`folder_listing`, `parquet_listing`, `shard_listing` make it), `reading` decodes them ahead of
the network, `embed` has the network (an `Embedder`) compute what the cache does not know (`cache`, `index`),
`rows` reads features back from the file they lie in, and `dataset` makes a `Dataset` of them; `arrays` does
the same with images that are in memory.
"""
