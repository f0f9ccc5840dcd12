"""Linear layers that multiply integers, trained as they are used.

A token's vector is rounded to 8 bits with a scale of its own, and so is a column of weights. A scale per token, unlike
one for a whole batch, keeps a message's answer independent of its neighbours. Channels that are large everywhere would
waste the bits of the others, so inputs are divided by what is usual in a channel, and weights multiplied by it (Xiao
et al. 2023, SmoothQuant, arXiv:2211.10438). Rounding takes part in training, and gradients pass it unchanged (Bengio et
al. 2013, arXiv:1308.3432; Jacob et al. 2018, arXiv:1712.05877).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.onnx._internal.torchscript_exporter.jit_utils import GraphContext

_LEVELS: Final = 127
_ALL_LEVELS: Final = 255
_LEAST: Final = 1e-8
_STRENGTH: Final = 0.7
_LOWEST_OF: Final = {"gelu": -0.17, "relu": 0.0}
"""The least that an activation function gives: what follows it needs no levels below."""


class _Rounded(torch.autograd.Function):
    """Rounds the last dimension to whole steps; between the largest absolute values, or from ``lowest`` up."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lowest: float | None) -> Tensor:  # noqa: ANN401, ARG004 - as autograd wants
        if lowest is None:
            step = values.abs().amax(dim=-1, keepdim=True).clamp(min=_LEAST) / _LEVELS
            return torch.round(values / step).mul_(step)
        step = (values.amax(dim=-1, keepdim=True) - lowest).clamp(min=_LEAST) / _ALL_LEVELS
        return torch.round((values - lowest) / step).clamp_(min=0.0).mul_(step).add_(lowest)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401, ARG004
        return gradient, None


def _rounded(values: Tensor, lowest: float | None = None) -> Tensor:
    if torch.compiler.is_compiling():  # the compiler cannot read _Rounded; by itself this form takes longer
        fixed = values.detach()
        return values + (_Rounded.forward(None, fixed, lowest) - fixed)
    result: Tensor = _Rounded.apply(values, lowest)  # type: ignore[no-untyped-call]
    return result


class IntegerLinear(nn.Linear):
    """A linear layer that gives what the exported one gives."""

    usual: Tensor
    lowest: float | None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in PyTorch
        """Return (..., outputs) products of the rounded input and the rounded weights, plus the bias."""
        if self.lowest is not None:
            return nn.functional.linear(_rounded(input, self.lowest), _rounded(self.weight), self.bias)
        return nn.functional.linear(_rounded(input / self.usual), _rounded(self.weight * self.usual), self.bias)


class IntegerEmbedding(nn.Embedding):
    """An embedding that gives what the exported one gives."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in PyTorch
        """Return (..., width) rows, rounded to 8 bits with a scale each."""
        return _rounded(super().forward(input))


class _Product(torch.autograd.Function):
    """Rounded values times integer weights: as PyTorch computes it, and as ONNX Runtime does."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401, ARG004
        values: Tensor,
        weight: Tensor,
        scale: Tensor,
        zero: Tensor,  # noqa: ARG004
        lowest: float | None,
    ) -> Tensor:
        return _rounded(values, lowest) @ (weight.to(scale.dtype) * scale)

    @staticmethod
    def symbolic(g: GraphContext, values: Any, weight: Any, scale: Any, zero: Any, lowest: float | None) -> Any:  # noqa: ANN401
        def constant(value: float | list[int]) -> Any:  # noqa: ANN401 - a value of the graph
            return g.op("Constant", value_t=torch.tensor(value))

        inner, outer = weight.type().sizes()
        if lowest is None:
            size, levels = g.op("Abs", values), _LEVELS
        else:
            values = g.op("Sub", values, constant(lowest))
            size, levels = values, _ALL_LEVELS
        largest = g.op("Max", g.op("ReduceMax", size, constant([-1]), keepdims_i=1), constant(_LEAST))
        step = g.op("Mul", largest, constant(1.0 / levels))
        # scales along an axis, which spares a division, need the tokens of all texts in one dimension
        steps = g.op("Reshape", step, constant([-1]))
        zeros = g.op("Expand", zero, g.op("Shape", steps))
        rows = g.op("QuantizeLinear", g.op("Reshape", values, constant([-1, inner])), steps, zeros, axis_i=0)
        rounded = g.op("Reshape", rows, g.op("Shape", values))
        product = g.op("com.microsoft::MatMulIntegerToFloat", rounded, weight, constant(1.0), scale, zero)
        kind = values.type().with_sizes([None, None, outer])
        return g.op("Mul", product.setType(kind), step).setType(kind)


class StoredLinear(nn.Module):
    """An :class:`IntegerLinear` with its weights as integers, in the form that ONNX gets."""

    weight: Tensor
    scale: Tensor
    bias: Tensor
    zero: Tensor
    divisor: Tensor

    def __init__(self, layer: IntegerLinear) -> None:
        super().__init__()
        self.lowest = layer.lowest
        weight = layer.weight.detach() if self.lowest is not None else layer.weight.detach() * layer.usual
        scale = weight.abs().amax(dim=1).clamp(min=_LEAST) / _LEVELS
        integers = torch.round(weight / scale[:, None])
        bias = torch.zeros_like(scale) if layer.bias is None else layer.bias.detach()
        if self.lowest is not None:
            bias = bias + self.lowest * scale * integers.sum(dim=1)
        self.register_buffer("weight", integers.to(torch.int8).t().contiguous())
        self.register_buffer("scale", scale)
        # of two dimensions, or ONNX Runtime puts it into a GELU of its own that takes twice as long as the standard one
        self.register_buffer("bias", bias[None, :])
        # buffers, not constants: the runtime sees that three layers round the same input only when they share all of it
        self.register_buffer("divisor", layer.usual.detach().clone())
        self.register_buffer("zero", torch.tensor(_LEVELS + 1 if self.lowest is None else 0, dtype=torch.uint8))

    def forward(self, values: Tensor) -> Tensor:
        """Return the same as the layer it was made of."""
        if self.lowest is None:
            values = values / self.divisor
        product: Tensor = _Product.apply(values, self.weight, self.scale, self.zero, self.lowest)  # type: ignore[no-untyped-call]
        return product + self.bias


class StoredEmbedding(nn.Module):
    """An :class:`IntegerEmbedding` with its rows as integers, in the form that ONNX gets."""

    table: Tensor
    scale: Tensor

    def __init__(self, embedding: IntegerEmbedding) -> None:
        super().__init__()
        rows = embedding.weight.detach()
        scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=_LEAST) / _LEVELS
        self.register_buffer("table", torch.round(rows / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the same as the embedding it was made of."""
        return self.table[ids].to(self.scale.dtype) * self.scale[ids]


def use_integers(backbone: nn.Module) -> None:
    """Give the linear layers and embeddings of an encoder the rounding of the exported model."""
    config: Any = getattr(backbone, "config", None)
    lowest = _LOWEST_OF.get(str(getattr(config, "hidden_act", getattr(config, "activation", ""))))
    inner = getattr(config, "intermediate_size", getattr(config, "hidden_dim", 0))
    for part in backbone.modules():
        if type(part) is nn.Linear:
            part.__class__ = IntegerLinear
            part.lowest = lowest if part.in_features == inner != part.out_features else None  # type: ignore[assignment]
            part.register_buffer("usual", torch.ones(part.in_features))
        elif type(part) is nn.Embedding:
            part.__class__ = IntegerEmbedding


def smooth(backbone: nn.Module, run: Callable[[], object]) -> None:
    """Find out, once, what is usual in every channel.

    Args:
        backbone: an encoder with integer layers; left as it is when this was done before.
        run: lets it read some texts.
    """
    layers = [part for part in backbone.modules() if isinstance(part, IntegerLinear) and part.lowest is None]
    if not layers or any(bool((part.usual != 1.0).any()) for part in layers):
        return
    largest: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found = inputs[0].detach().float().abs().flatten(0, -2).amax(dim=0)
        largest[layer] = torch.maximum(largest[layer], found) if layer in largest else found

    handles = [layer.register_forward_pre_hook(watch) for layer in layers]
    run()
    for handle in handles:
        handle.remove()
    for layer, found in largest.items():
        usual = found.clamp(min=_LEAST) ** _STRENGTH
        layer.usual.copy_((usual / usual.median()).clamp(0.05, 20.0))  # type: ignore[operator]


def store_integers(module: nn.Module) -> None:
    """Replace what :func:`use_integers` has found by what is exported."""
    for name, part in list(module.named_modules()):
        if isinstance(part, IntegerLinear | IntegerEmbedding):
            owner, _, attribute = name.rpartition(".")
            stored = StoredLinear(part) if isinstance(part, IntegerLinear) else StoredEmbedding(part)
            setattr(module.get_submodule(owner), attribute, stored)
