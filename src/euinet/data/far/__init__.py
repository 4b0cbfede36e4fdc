"""Far sets: images none of which a model was taught, in its geometry, for evaluation alone."""
