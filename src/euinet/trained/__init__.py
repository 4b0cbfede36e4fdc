"""A trained model as a network of torch, with its card: to export, to explain, to learn on."""
