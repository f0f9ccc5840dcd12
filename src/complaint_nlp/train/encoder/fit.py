"""The training loop: masked losses of many heads, layer-wise rates, checkpoints to go on from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from complaint_nlp.train.encoder.batches import TokenizedSet, batch_rows, batches, make_batch
from complaint_nlp.train.encoder.integers import smooth
from complaint_nlp.train.encoder.network import MultiTaskEncoder, parameter_groups
from complaint_nlp.train.linear import Progress, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

STATE: Final = "state.json"
"""File of a checkpoint that says how far it is; the others are complete when it names them."""

_WARM_UP: Final = 0.06
_CLIP: Final = 1.0
_TRUE: Final = 0.5
_SMOOTHED: Final = 500
"""Texts that show what is usual in a channel."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a network is trained.

    Attributes:
        epochs: passes over the data.
        batch_tokens: pieces of one step, padding included.
        rate: learning rate of the last layer of the encoder.
        head_rate: learning rate of the heads.
        layer_decay: factor from every layer's rate to the one before it.
        balance: power of the inverse frequency that rare values are weighted with, 0 (not at all) to 1.
        seed: of the order of texts and of dropout.
        compiled: let PyTorch compile the network first, which needs a C++ compiler and takes minutes; two cores are
            then 1.6 times as fast.
    """

    epochs: int = 3
    batch_tokens: int = 2048
    rate: float = 3e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.93
    balance: float = 0.25
    seed: int = 0
    compiled: bool = False


def value_weights(data: TokenizedSet, power: float) -> Tensor:
    """Return (outputs,) how much a positive target counts: rare values more, at most four times."""
    known = np.maximum(data.known.sum(axis=0), 1)
    share = np.clip((data.values * data.known).sum(axis=0) / known, 1e-4, 1.0)
    return torch.from_numpy(np.clip((0.2 / share) ** power, 1.0, 4.0).astype(np.float32))


def multi_task_loss(network: MultiTaskEncoder, logits: Tensor, batch: Any, positive: Tensor) -> Tensor:  # noqa: ANN401
    """Return the sum over heads of their mean losses on the texts labelled for them.

    Targets may be soft: an exclusive head's are a distribution, the others' probabilities.
    """
    total = logits.new_zeros(())
    start = 0
    for head in network.heads:
        columns = slice(start, start + head.size)
        start += head.size
        rows = batch.known[:, columns.start]
        if not bool(rows.any()):
            continue
        wanted, given, weight = batch.values[rows, columns], logits[rows, columns], batch.weights[rows]
        if head.exclusive:
            weighted = wanted * positive[columns]
            loss = -(weighted * torch.log_softmax(given, dim=1)).sum(dim=1)
        else:
            loss = nn.functional.binary_cross_entropy_with_logits(
                given, wanted, reduction="none", pos_weight=positive[columns]
            ).sum(dim=1)
        # per step, not per labelled text: a head with few labels in a step does not shout
        total = total + head.weight * (loss * weight).sum() / len(batch.rows)
    return total


def fit(
    network: MultiTaskEncoder,
    data: TokenizedSet,
    options: FitOptions,
    *,
    padding: int,
    checkpoint: Path | None = None,
    save_every: int = 200,
    progress: Progress = silent,
    after_epoch: Callable[[int], bool] | None = None,
    device: str = "cpu",
) -> list[float]:
    """Train ``network`` in place and return the mean loss of every epoch.

    Args:
        network: what to train.
        data: what to train on.
        options: how.
        padding: id of the padding piece.
        checkpoint: directory to save the state in every ``save_every`` steps, and to go on from when it holds one.
        save_every: steps between savings.
        progress: told what is going on.
        after_epoch: called with the number of every finished epoch; training ends early when it returns ``True``.
        device: where to compute.
    """
    torch.manual_seed(options.seed)
    network.to(device)
    groups = parameter_groups(network, rate=options.rate, head_rate=options.head_rate, decay=options.layer_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    peaks = [group["lr"] for group in groups]
    positive = value_weights(data, options.balance).to(device)
    lengths = np.array([len(piece) for piece in data.pieces], dtype=np.int64)
    plans = [
        batch_rows(lengths, options.batch_tokens, np.random.default_rng([options.seed, epoch]))
        for epoch in range(options.epochs)
    ]
    total = sum(len(plan) for plan in plans)
    state = _resume(checkpoint, network, optimizer, options)
    step, losses = 0, [0.0] * options.epochs
    forward: Any = torch.compile(network, dynamic=True) if options.compiled else network
    for epoch, plan in enumerate(plans):
        network.train()
        for rows in plan:
            step += 1
            if step <= state.step:
                continue
            factor = _rate_factor(step, total)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            batch = _to(make_batch(data, rows, padding), device)
            with torch.autocast(device, dtype=torch.bfloat16):
                logits, _ = forward(batch.input_ids, batch.attention_mask)
            loss = multi_task_loss(network, logits.float(), batch, positive)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses[epoch] += float(loss.detach()) / len(plan)
            if step % 10 == 0 or step == total:
                progress("training", step, total)
            if checkpoint is not None and step % save_every == 0:
                _save(checkpoint, network, optimizer, step, options)
        if step > state.step and after_epoch is not None and after_epoch(epoch):
            break
    return losses


def probe(
    network: MultiTaskEncoder,
    data: TokenizedSet,
    *,
    padding: int,
    texts: int = 6000,
    steps: int = 600,
    balance: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
) -> float:
    """Fit the heads on the encoder as it is, so that fine-tuning starts from heads that ask for something sensible.

    Linear probing before fine-tuning distorts what the encoder knows less (Kumar et al. 2022, arXiv:2202.10054).

    Args:
        network: its heads are fitted in place, and the standardisation of the token vectors set.
        data: labelled texts.
        padding: id of the padding piece.
        texts: how many of them, drawn at random, are enough.
        steps: of the optimiser.
        balance: as in :class:`FitOptions`.
        seed: of the choice.
        device: where to compute.

    Returns:
        The loss at the end.
    """
    random = np.random.default_rng(seed)
    part = data.subset(random.permutation(len(data))[:texts])
    network.to(device).eval()
    smooth(network.backbone, lambda: _pooled(network, part.subset(range(min(len(part), _SMOOTHED))), padding, device))
    features = _pooled(network, part, padding, device)
    network.shift.copy_(features.mean(dim=0))
    network.scale.copy_(1.0 / features.std(dim=0).clamp(min=1e-3))
    features = (features - network.shift) * network.scale
    positive = value_weights(part, balance).to(device)
    heads = network.scores
    optimizer = torch.optim.AdamW(heads.parameters(), lr=3e-3, weight_decay=0.05)
    loss = torch.zeros(())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - step / steps)
        rows = random.integers(0, len(part), 512)
        chosen = _Known(
            torch.from_numpy(part.values[rows]).to(device),
            torch.from_numpy(part.known[rows]).to(device),
            torch.from_numpy(part.weights[rows]).to(device),
            rows,
        )
        loss = multi_task_loss(network, heads(features[rows]), chosen, positive)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def _pooled(network: MultiTaskEncoder, data: TokenizedSet, padding: int, device: str) -> Tensor:
    """Return (texts, width) means of the token vectors."""
    features = torch.zeros(len(data), network.scores.in_features, device=device)
    for batch in batches(data, tokens=8192, padding=padding):
        with torch.autocast(device, dtype=torch.bfloat16):
            features[batch.rows] = network.pooled(batch.input_ids.to(device), batch.attention_mask.to(device))
    return features


@dataclass(frozen=True, slots=True)
class _Known:
    values: Tensor
    known: Tensor
    weights: Tensor
    rows: NDArray[np.int64]


def _rate_factor(step: int, total: int) -> float:
    """Return a linear warm-up followed by a linear fall to nothing."""
    warm = max(int(total * _WARM_UP), 1)
    return min(step / warm, max((total - step) / max(total - warm, 1), 0.0) + 1e-3)


def _to(batch: Any, device: str) -> Any:  # noqa: ANN401
    if device == "cpu":
        return batch
    moved = {
        name: getattr(batch, name).to(device) for name in ("input_ids", "attention_mask", "values", "known", "weights")
    }
    return type(batch)(**moved, rows=batch.rows)


@dataclass(frozen=True, slots=True)
class _State:
    step: int = 0


_WEIGHTS: Final = "network.safetensors"
_MOMENTS: Final = "optimizer.safetensors"


def _save(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, step: int, options: FitOptions) -> None:
    """Write weights, moments and place; the old state is replaced only when the new one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    moments = {}
    for index, entry in optimizer.state_dict()["state"].items():
        for key, value in entry.items():
            moments[f"{index}.{key}"] = value.detach().cpu().clone()
    parts = {
        f"{step}.{_WEIGHTS}": {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()},
        f"{step}.{_MOMENTS}": moments,
    }
    for name, tensors in parts.items():
        save_file(tensors, folder / name)
    temporary = folder / f"{STATE}.part"
    temporary.write_text(json.dumps({"step": step, "options": asdict(options)}), encoding="utf-8")
    temporary.replace(folder / STATE)
    for old in folder.glob("*.safetensors"):
        if old.name not in parts:
            old.unlink()


def _resume(folder: Path | None, network: nn.Module, optimizer: torch.optim.Optimizer, options: FitOptions) -> _State:
    if folder is None or not (folder / STATE).is_file():
        return _State()
    kept = json.loads((folder / STATE).read_text(encoding="utf-8"))
    if kept["options"] != asdict(options):
        return _State()
    step = int(kept["step"])
    network.load_state_dict(load_file(folder / f"{step}.{_WEIGHTS}"))
    moments = load_file(folder / f"{step}.{_MOMENTS}")
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    torch.manual_seed(options.seed + step)
    return _State(step)


@torch.no_grad()
def predict_logits(
    network: MultiTaskEncoder, data: TokenizedSet, *, padding: int, batch_tokens: int = 8192, device: str = "cpu"
) -> NDArray[np.float32]:
    """Return (texts, outputs) logits."""
    network.to(device).eval()
    result = np.zeros((len(data), sum(head.size for head in network.heads)), dtype=np.float32)
    for batch in batches(data, tokens=batch_tokens, padding=padding):
        with torch.autocast(device, dtype=torch.bfloat16):
            logits, _ = network(batch.input_ids.to(device), batch.attention_mask.to(device))
        result[batch.rows] = logits.float().cpu().numpy()
    return result


def ranking(logits: NDArray[np.float32], values: NDArray[np.float32], known: NDArray[np.bool_]) -> float:
    """Return how well logits rank texts: the mean over values of the average precision, 0 to 1.

    Values that no text has, or all have, are left out. The loss grows when a network gets too sure of itself, which
    calibration mends; the ranking is what stays.

    Args:
        logits: (texts, outputs) answers.
        values: (texts, outputs) what is right.
        known: (texts, outputs) whether it is known.
    """
    figures = []
    for column in range(logits.shape[1]):
        rows = known[:, column]
        right = values[rows, column] > _TRUE
        if right.any() and not right.all():
            figures.append(float(average_precision_score(right, logits[rows, column])))
    return float(np.mean(figures)) if figures else 0.0
