"""A trained model goes in; its folder with the decision file comes out.

`decision` is what the file computes, `gradient` writes its perturbation's gradient out, `onnx_file` makes
the file, `small` makes it smaller, `check` compares it with the network, `save` writes the folder. Of what
comes before the decision: `published` and `finetuned` give a network by name as a frozen `backbone`,
`attached` somebody's classifier.
"""
