"""A classifier that runs and known images go in; a model that adds "none of these" to its answers comes out.

In the order of reading: `attach` (every step), `classifiers` (a module or an ONNX file as something that
gives rows of features and logits), `normalising` (how a file wants its images), `parting` (known images, be
they labelled or not, for the parts of a split).
"""
