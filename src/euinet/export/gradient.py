"""The perturbation's input gradient as plain operations: what `torch.export` and ONNX cannot take otherwise.

Neither knows `torch.autograd.grad`. Traced once with the number of images left open, the module becomes a
graph in which the backward pass is written out; that pass's own operations are replaced by ordinary ones.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from euinet.networks.strided import strided_input_gradient

aten = torch.ops.aten


def traced(module: nn.Module, arguments: Sequence[Tensor], open_lengths: Sequence[bool]) -> GraphModule:
    """Return `module` as a graph without gradients, for arguments of these shapes.

    The first axis of those with `open_lengths` may have any length. The module's parameters must not require
    gradients: only what is taken within its forward is written out.
    """
    fake = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)

    def opened(argument: Tensor, is_open: bool) -> Tensor:
        sizes = [DimDynamic.STATIC] * argument.ndim
        if is_open:
            sizes[0] = DimDynamic.DYNAMIC
        return fake.from_tensor(argument, symbolic_context=StatelessSymbolicContext(dynamic_sizes=sizes))

    trace = make_fx(module, _replacements(), tracing_mode="symbolic")
    # attention as matrix products: torch's own operations for it have no counterpart
    with sdpa_kernel(SDPBackend.MATH), _PoolingAsMean():
        graph = trace(*map(opened, arguments, open_lengths))
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph.eval()


class _PoolingAsMean(TorchFunctionMode):
    """Write an average pooling to one place as a mean.

    torch's own then sets strides by hand, in the channels-last layout, and their gradient has no counterpart.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(zip(("input", "output_size"), args, strict=False), **(kwargs or {}))
        if function is F.adaptive_avg_pool2d and given["output_size"] in (1, (1, 1), [1, 1]):
            return given["input"].mean(dim=(-2, -1), keepdim=True)
        return function(*args, **(kwargs or {}))


def _replacements() -> dict[Any, Callable[..., Any]]:
    """Return what each backward operation is replaced by: torch's own rules, and three of ours."""
    known = torch.export.default_decompositions().items()
    return {
        **{operation: rule for operation, rule in known if "backward" in str(operation)},
        aten.convolution_backward.default: _convolution_backward,
        aten.max_pool2d_with_indices_backward.default: _max_pool_backward,
        aten.threshold_backward.default: _threshold_backward,
    }


def _threshold_backward(gradient: Tensor, output: Tensor, threshold: float) -> Tensor:
    """Return a ReLU's input gradient. Its output is 0 or more, so its sign is the step function.

    A product costs runtimes less than a comparison and a choice.
    """
    if threshold != 0:
        raise NotImplementedError("only the gradient of a ReLU can be exported")
    return gradient * output.sign()


def _max_pool_backward(gradient: Tensor, images: Tensor, *window: object) -> Tensor:
    """Return a max pooling's input gradient: each goes where its maximum was, by the last argument."""
    *_, places = window  # (N, C, H', W'), counted through the rows of H × W
    assert isinstance(places, Tensor)
    nothing = torch.zeros_like(images).flatten(2)
    return nothing.scatter_add(2, places.flatten(2), gradient.flatten(2)).view_as(images)


def _convolution_backward(
    gradient: Tensor,
    images: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor | None, None, None]:
    """Return a convolution's gradient with respect to its input: a transposed convolution, same weights.

    Without groups and dilation that is written as an ordinary convolution, followed by a pixel shuffle where
    the stride is above 1 (networks/strided.py): runtimes compute that faster.

    Raises NotImplementedError for a transposed convolution, and for a gradient of weights or bias.
    """
    if transposed or output_mask[1] or output_mask[2]:
        raise NotImplementedError("only the input gradient of an ordinary convolution can be exported")
    square = len({*stride}) == len({*padding}) == len({*weight.shape[2:]}) == 1
    if square and groups == 1 and max(dilation) == 1:
        sides = (int(images.shape[2]), int(images.shape[3]))
        return strided_input_gradient(gradient, weight, stride[0], padding[0], sides), None, None
    lost = [  # rows and columns of the input that no step of the convolution reached
        size - ((out - 1) * step - 2 * pad + spread * (kernel - 1) + 1)
        for size, out, kernel, step, pad, spread in zip(
            images.shape[2:], gradient.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    found: Tensor = aten.convolution(gradient, weight, None, stride, padding, dilation, True, lost, groups)
    return found, None, None
