"""The names of a model's files: known without reading one."""

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"  # the network, to learn on: torch reads them
DECISION_FILE = "decision.onnx"  # all that decides, in one file: everything else reads it alone
ONNX_SUFFIX = ".onnx"
