"""A trained model goes in; one ONNX file that holds the whole decision comes out.

`decision` is what the file computes, `gradient` writes its perturbation's gradient out, `onnx_file` writes
the file, `check` compares it with the model. `predict/onnx_engine.py` answers from it, without torch.
"""

from euinet.export.onnx_file import export_onnx

__all__ = ["export_onnx"]
