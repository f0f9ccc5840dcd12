"""The network: any Hugging Face encoder, and heads that pool the scores of its tokens.

A value's logit is a bias plus the sum over tokens of attention times score, with one attention per head. So what every
token adds to a logit is known exactly from the same forward pass: that is the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from complaint_nlp.train.encoder.integers import use_integers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Head:
    """One question that the network answers.

    Attributes:
        name: of the task or the auxiliary set.
        size: number of values.
        exclusive: exactly one value applies (softmax), else any number (logistic).
        weight: of its loss.
    """

    name: str
    size: int
    exclusive: bool
    weight: float = 1.0


class MultiTaskEncoder(nn.Module):
    """An encoder with token-pooling heads.

    Args:
        backbone: a Hugging Face encoder whose output has ``last_hidden_state``.
        heads: the questions, in the order of the outputs.
        dropout: of the token vectors before the heads, in training.
    """

    head_of_output: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: nn.Module, heads: Sequence[Head], dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = tuple(heads)
        width: int = backbone.config.hidden_size  # type: ignore[assignment,union-attr]
        outputs = sum(head.size for head in heads)
        self.scores = nn.Linear(width, outputs)
        self.attention = nn.Linear(width, len(heads), bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.scores.weight, std=0.02)
        nn.init.zeros_(self.scores.bias)
        nn.init.zeros_(self.attention.weight)  # the mean, to begin with
        index = torch.repeat_interleave(torch.arange(len(heads)), torch.tensor([head.size for head in heads]))
        self.register_buffer("head_of_output", index, persistent=False)
        # token vectors of sentence encoders share a large common part, which says nothing and slows learning down
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and what every token adds to them.

        Args:
            input_ids: (messages, tokens) pieces.
            attention_mask: (messages, tokens) 1 for pieces, 0 for padding.

        Returns:
            (messages, outputs) logits, and (messages, tokens, outputs) contributions that sum up to the logits less
            the biases.
        """
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        hidden = self.dropout((hidden - self.shift) * self.scale)
        scores = nn.functional.linear(hidden, self.scores.weight)
        padding = (1.0 - attention_mask.to(hidden.dtype))[:, :, None] * -1e4
        shares = torch.softmax((self.attention(hidden) + padding).float(), dim=1)
        contributions = scores.float() * shares[:, :, self.head_of_output]
        return contributions.sum(dim=1) + self.scores.bias, contributions

    @torch.no_grad()
    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (messages, width) means of the token vectors as the encoder gives them."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(hidden.dtype)
        result: Tensor = (hidden * mask).sum(dim=1).float() / mask.sum(dim=1).float()
        return result


def load_backbone(base: str | Path, *, layers: Sequence[int] | None = None) -> nn.Module:
    """Return the encoder at ``base``, a directory or a hub id, without its own dropout.

    Dropout inside the encoder costs half of a training step on a CPU; the heads have one of their own.

    Args:
        base: what ``transformers.AutoModel`` reads.
        layers: which of its layers to keep, counted from 0; all when ``None``.
    """
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(base)
    silent = {
        name: 0.0
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "hidden_dropout", "attention_dropout")
        if hasattr(config, name)
    }
    # the fused attention is several times slower backwards on a CPU
    backbone: Any = AutoModel.from_pretrained(
        base, dtype=torch.float32, attn_implementation="eager", use_safetensors=True, trust_remote_code=False, **silent
    )
    if hasattr(backbone, "pooler"):
        backbone.pooler = None
    if layers is not None:
        stack = layer_stack(backbone)
        kept = nn.ModuleList([stack[i] for i in layers])
        owner = backbone.encoder if hasattr(backbone, "encoder") else backbone.transformer
        setattr(owner, "layer", kept)  # noqa: B010 - the attribute of a module of unknown class
        for key in ("num_hidden_layers", "n_layers"):
            if hasattr(backbone.config, key):
                setattr(backbone.config, key, len(layers))
    use_integers(backbone)
    result: nn.Module = backbone
    return result


def layer_stack(backbone: Any) -> nn.ModuleList:  # noqa: ANN401 - modules of any encoder
    """Return the layers of an encoder of BERT's or DistilBERT's form.

    Raises:
        ValueError: the encoder keeps its layers elsewhere.
    """
    for owner in ("encoder", "transformer"):
        layers = getattr(getattr(backbone, owner, None), "layer", None)
        if isinstance(layers, nn.ModuleList):
            return layers
    msg = f"{type(backbone).__name__}: its layers are not where BERT, RoBERTa, ELECTRA or DistilBERT keep theirs"
    raise ValueError(msg)


def parameter_groups(network: MultiTaskEncoder, *, rate: float, head_rate: float, decay: float) -> list[dict[str, Any]]:
    """Return parameter groups for the optimiser, with rates that fall from the last layer to the first.

    Args:
        network: the network.
        rate: learning rate of the last layer.
        head_rate: of the heads.
        decay: factor from every layer to the one before it; the embeddings get one step more.
    """
    try:
        stack = layer_stack(network.backbone)
    except ValueError:
        stack = nn.ModuleList()
    depth = {id(p): i for i, layer in enumerate(stack) for p in layer.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if name.startswith("backbone."):
            below = len(stack) - depth.get(id(parameter), -1) - 1
            lr = rate * decay**below
        else:
            lr = head_rate
        weight_decay = 0.01 if parameter.ndim > 1 else 0.0
        groups.setdefault((lr, weight_decay), []).append(parameter)
    return [{"params": group, "lr": lr, "weight_decay": wd} for (lr, wd), group in groups.items()]
