"""A name or a folder goes in, a `Dataset` comes out; what is missing is fetched and checked."""
