"""From a trained network to int8 ONNX, and the check that little was lost on the way."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from complaint_nlp.classify.linear import HEADS, probabilities_from_margins
from complaint_nlp.train.encoder.batches import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from complaint_nlp.train.encoder.batches import TokenizedSet
    from complaint_nlp.train.encoder.network import MultiTaskEncoder

_OPSET: Final = 17
_OUTLIER: Final = 2.0
"""Channels whose range is so many times the median one are multiplied apart."""
_MOST_APART: Final = 64
_MANY: Final = 1 << 30
_LARGE_EMBEDDING: Final = 2000


class _Exported(nn.Module):
    """The network without its auxiliary heads, in the form that ONNX gets."""

    head_of_output: Tensor
    common: Tensor

    def __init__(self, network: MultiTaskEncoder, outputs: int) -> None:
        super().__init__()
        self.backbone = network.backbone
        width = network.scores.in_features
        heads = int(network.head_of_output[outputs - 1]) + 1
        self.scores = nn.Linear(width, outputs)
        self.attention = nn.Linear(width, heads, bias=False)
        with torch.no_grad():
            # the scale goes into the weights; what the part common to all tokens adds is taken off every token, not off
            # the bias: it says nothing and would drown the evidence
            weight = network.scores.weight[:outputs] * network.scale
            self.scores.weight.copy_(weight)
            self.scores.bias.copy_(network.scores.bias[:outputs])
            self.register_buffer("common", weight @ network.shift, persistent=False)
            self.attention.weight.copy_(network.attention.weight[:heads] * network.scale)
        self.register_buffer("head_of_output", network.head_of_output[:outputs].clone(), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.to(hidden.dtype)[:, :, None]
        padding = (1.0 - mask) * -1e4
        vectors = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        shares = torch.softmax(self.attention(hidden) + padding, dim=1)
        scores = torch.matmul(hidden, self.scores.weight.t()) - self.common
        contributions = scores * shares[:, :, self.head_of_output]
        return contributions.sum(dim=1) + self.scores.bias, contributions, vectors


class _RowQuantizedEmbedding(nn.Module):
    """An embedding of 8-bit integers with one scale per row."""

    table: Tensor
    scale: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        scale = embedding.weight.detach().abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127.0
        self.register_buffer("table", torch.round(embedding.weight.detach() / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        return self.table[ids].to(self.scale.dtype) * self.scale[ids]


class _Split(nn.Module):
    """A linear layer that multiplies a few channels of its input apart from the others.

    One scale fits all inputs of an integer product, so that channels with a range of their own would leave the others
    no bits (the decomposition of LLM.int8(), Dettmers et al. 2022, arXiv:2208.07339).
    """

    apart: Tensor
    kept: Tensor
    columns: Tensor

    def __init__(self, linear: nn.Linear, apart: Tensor) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.register_buffer("apart", apart)
        self.register_buffer("kept", torch.ones(linear.in_features).index_fill(0, apart, 0.0))
        self.register_buffer("columns", weight[:, apart].t().contiguous())
        self.linear = nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
        with torch.no_grad():
            self.linear.weight.copy_(weight.index_fill(1, apart, 0.0))
            if linear.bias is not None:
                self.linear.bias.copy_(linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        result: Tensor = self.linear(inputs * self.kept) + torch.matmul(inputs[..., self.apart], self.columns)
        return result


def _prepare_for_integers(module: nn.Module, sample: TokenizedSet, padding: int) -> nn.Module:
    """Return a copy of ``module`` whose activations fit into integers, by what ``sample`` shows of them."""
    module = copy.deepcopy(module).eval()
    largest: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen = inputs[0].detach().abs().flatten(0, -2).amax(dim=0)
            largest[name] = torch.maximum(largest[name], seen) if name in largest else seen

        return note

    layers = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear) and ".layer." in name}
    hooks = [part.register_forward_pre_hook(watch(name)) for name, part in layers.items()]
    with torch.no_grad():
        for batch in batches(sample, tokens=4096, padding=padding):
            module(batch.input_ids, batch.attention_mask)
    for hook in hooks:
        hook.remove()
    for name, part in layers.items():
        order = largest[name].argsort(descending=True)[:_MOST_APART]
        apart = order[largest[name][order] > _OUTLIER * largest[name].median()]
        if len(apart):
            _replace(module, name, _Split(part, apart))
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.Embedding) and part.num_embeddings > _LARGE_EMBEDDING:
            _replace(module, name, _RowQuantizedEmbedding(part))
    return module


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(owner), attribute, part)


def export_onnx(
    network: MultiTaskEncoder, outputs: int, *, sample: TokenizedSet | None = None, padding: int = 0
) -> bytes:
    """Return the network as an ONNX file with inputs ``input_ids`` and ``attention_mask``.

    Args:
        network: what to export; it is moved to the CPU and to evaluation.
        outputs: how many of its outputs, from the first, to keep; auxiliary heads lie behind.
        sample: texts that show the range of its activations; with them weights are stored as 8-bit integers, one scale
            per output channel or row, and multiplied in integers. Without, everything stays as it is.
        padding: id of the padding piece.
    """
    module: nn.Module = _Exported(network.cpu(), outputs).eval()
    if sample is not None:
        module = _prepare_for_integers(module, sample, padding)
    return _onnx_of(module, quantize=sample is not None)


def _onnx_of(module: nn.Module, *, quantize: bool) -> bytes:
    ids = torch.ones(2, 8, dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            module,
            (ids, torch.ones_like(ids)),
            str(plain),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits", "contributions", "vectors"],
            dynamic_axes={
                "input_ids": {0: "messages", 1: "tokens"},
                "attention_mask": {0: "messages", 1: "tokens"},
                "logits": {0: "messages"},
                "contributions": {0: "messages", 1: "tokens"},
                "vectors": {0: "messages"},
            },
            opset_version=_OPSET,
            dynamo=False,
        )
        return _quantized(plain) if quantize else plain.read_bytes()


def _quantized(plain: Path) -> bytes:
    """Return the model with 8-bit weights; the heads and the channels multiplied apart stay as they are."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, target = plain.with_name("prepared.onnx"), plain.with_name("int8.onnx")
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantiser gives its hints there
    try:
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        rows = {weight.name: weight.dims[0] for weight in graph.initializer if weight.dims}
        floats = [
            node.name
            for node in graph.node
            if node.op_type == "MatMul"
            and ("/layer." not in node.name or rows.get(node.input[1], _MANY) <= _MOST_APART)
        ]
        quantize_dynamic(
            str(prepared),
            str(target),
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=floats,
            op_types_to_quantize=["MatMul"],
        )
    finally:
        root.setLevel(level)
    return target.read_bytes()


def run_onnx(model: bytes, data: TokenizedSet, *, padding: int, batch_tokens: int = 4096) -> NDArray[np.float32]:
    """Return (texts, outputs) logits of an exported model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] | None = None
    for batch in batches(data, tokens=batch_tokens, padding=padding):
        inputs = {"input_ids": batch.input_ids.numpy(), "attention_mask": batch.attention_mask.numpy()}
        (logits,) = session.run(["logits"], inputs)
        if result is None:
            result = np.zeros((len(data), logits.shape[1]), dtype=np.float32)
        result[batch.rows] = logits
    return result if result is not None else np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How far an exported model is from the network it was made of.

    Attributes:
        texts: on how many texts it was compared.
        largest_difference: of a probability.
        mean_difference: of a probability.
        share_above: part of the texts with a difference above 0.05.
    """

    texts: int
    largest_difference: float
    mean_difference: float
    share_above: float


def compare(original: NDArray[np.float32], exported: NDArray[np.float32]) -> ExportCheck:
    """Compare (texts, outputs) logits of the heads as probabilities."""
    outputs = sum(len(values) for values in HEADS.values())
    one, two = (probabilities_from_margins(logits[:, :outputs]) for logits in (original, exported))
    difference = np.concatenate([np.abs(one[head] - two[head]) for head in HEADS], axis=1)
    return ExportCheck(
        len(original),
        float(difference.max()),
        float(difference.mean()),
        float((difference.max(axis=1) > 0.05).mean()),  # noqa: PLR2004 - what the model card promises
    )
