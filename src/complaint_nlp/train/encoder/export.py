"""From a trained network to int8 ONNX, and the check that little was lost on the way."""

from __future__ import annotations

import copy
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from complaint_nlp.classify.linear import HEADS, probabilities_from_margins
from complaint_nlp.classify.runtime import load_onnxruntime
from complaint_nlp.train.encoder.batches import batches
from complaint_nlp.train.encoder.integers import store_integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.train.encoder.batches import TokenizedSet
    from complaint_nlp.train.encoder.network import MultiTaskEncoder

_OPSET: Final = 20
_HIDDEN: Final = -1e4
"""Added to the score of a padding piece: the softmax makes nothing of it."""


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
        mask = attention_mask.to(self.common.dtype)[:, :, None]
        padding = (1.0 - mask) * _HIDDEN
        # a mask of four dimensions is used as it is; transformers makes one of two with dozens of operations
        hidden = self.backbone(input_ids=input_ids, attention_mask=padding[:, None, None, :, 0]).last_hidden_state
        vectors = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        shares = torch.softmax(self.attention(hidden) + padding, dim=1)
        scores = torch.matmul(hidden, self.scores.weight.t()) - self.common
        contributions = scores * shares[:, :, self.head_of_output]
        return contributions.sum(dim=1) + self.scores.bias, contributions, vectors


def export_onnx(network: MultiTaskEncoder, outputs: int) -> bytes:
    """Return the network as an ONNX file with inputs ``input_ids`` and ``attention_mask``.

    Weights are stored, and multiplied, as integers; see :mod:`complaint_nlp.train.encoder.integers`.

    Args:
        network: what to export; it is moved to the CPU and to evaluation.
        outputs: how many of its outputs, from the first, to keep; auxiliary heads lie behind.
    """
    module: nn.Module = copy.deepcopy(_Exported(network.cpu(), outputs).eval())
    store_integers(module)
    ids = torch.ones(2, 8, dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        target = Path(folder) / "encoder.onnx"
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (ids, torch.ones_like(ids)),
            str(target),
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
            custom_opsets={"com.microsoft": 1},
            dynamo=False,
        )
        return target.read_bytes()


def run_onnx(
    model: bytes, data: TokenizedSet, *, padding: int, batch_tokens: int = 4096, output: str = "logits"
) -> NDArray[np.float32]:
    """Return (texts, outputs) logits of an exported model, or another of its outputs that has a row per text."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] | None = None
    for batch in batches(data, tokens=batch_tokens, padding=padding):
        inputs = {"input_ids": batch.input_ids.numpy(), "attention_mask": batch.attention_mask.numpy()}
        (given,) = session.run([output], inputs)
        if result is None:
            result = np.zeros((len(data), given.shape[1]), dtype=np.float32)
        result[batch.rows] = given
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
