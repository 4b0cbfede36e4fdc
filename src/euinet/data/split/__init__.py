"""A `Dataset` and the classes to hold out go in; a `Split` whose parts share no image comes out."""
