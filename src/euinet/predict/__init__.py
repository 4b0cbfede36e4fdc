"""A user's images go in, of any kind and number; rows come out: a label or "none of these" for each.

`inputs` finds and reads images, `engine` answers for a batch of them (by torch, or from an exported file by
onnxruntime: `onnx_engine`), `rows` and `sinks` write what was answered, `drift` asks whether the world is
still as it was, `run` does all in order. Nothing here imports torch unless the model is a folder.
"""
