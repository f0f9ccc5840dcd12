"""The encoder: contributions, masked losses, batches, runs that are killed and go on, and bundles with both models."""

import gzip
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

# PyTorch is an extra: without it there is nothing to test
pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")

import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from complaint_nlp import TASKS, Analyzer, DataError, ModelError, Report, Status
from complaint_nlp.classify.bundle import Bundle, open_bundle, write_bundle
from complaint_nlp.classify.cascade import BLEND, BLEND_CALIBRATION, CASCADE, SPEEDS, Speed, sureness
from complaint_nlp.classify.encoder import MODEL, SETTINGS, TOKENIZER, Encoder
from complaint_nlp.classify.linear import HEADS, LinearClassifier
from complaint_nlp.text import Normalizer, NormalizerConfig
from complaint_nlp.train import run as run_module
from complaint_nlp.train.encoder import run as encoder_run
from complaint_nlp.train.encoder import stages
from complaint_nlp.train.encoder.auxiliary import AuxiliarySets, auxiliary_heads, load_auxiliary, read_auxiliary
from complaint_nlp.train.encoder.batches import (
    TokenizedSet,
    batch_rows,
    batches,
    joined,
    make_batch,
    pieces_of,
    shortened,
)
from complaint_nlp.train.encoder.export import export_onnx, run_onnx
from complaint_nlp.train.encoder.fit import FitOptions, fit, multi_task_loss, predict_logits, probe, value_weights
from complaint_nlp.train.encoder.integers import IntegerLinear, smooth
from complaint_nlp.train.encoder.network import Head, MultiTaskEncoder, load_backbone, parameter_groups
from complaint_nlp.train.encoder.stages import (
    OUTPUTS,
    EncoderOptions,
    Workshop,
    read_texts,
    restore,
    restore_mean,
    store,
)
from complaint_nlp.train.keyed import key_of
from complaint_nlp.train.linear import LinearOptions, Progress, silent
from complaint_nlp.train.run import EncoderSources, TrainingResult, train_encoder_bundle

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "data" / "messages.jsonl"
TOY_HEADS = (Head("one", 3, exclusive=True), Head("several", 2, exclusive=False), Head("aside", 2, exclusive=True))
TOY = FitOptions(epochs=8, batch_tokens=160, rate=2e-3, head_rate=2e-2, seed=1)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- a toy problem ---


def toy_data(count: int = 160) -> TokenizedSet:
    """Return texts of random pieces whose answers depend on whether some pieces are there."""
    random = np.random.default_rng(0)
    pieces = [np.array([2, *random.integers(10, 60, random.integers(3, 14)), 3], dtype=np.int32) for _ in range(count)]
    values = np.zeros((count, 7), dtype=np.float32)
    known = np.ones(values.shape, dtype=bool)
    for row, piece in enumerate(pieces):
        mark = row % 3
        piece[1] = 100 + mark
        values[row, mark] = 1.0
        values[row, 3] = mark == 0
        values[row, 4] = mark != 1
        values[row, 5 + row % 2] = 1.0
        known[row, 5:] = row % 4 == 0
    return TokenizedSet(pieces, values, known, np.ones(count, dtype=np.float32))


def toy_network(base: Path) -> MultiTaskEncoder:
    """Return a network without dropout, whose randomness would differ after going on."""
    torch.manual_seed(0)
    return MultiTaskEncoder(load_backbone(base, layers=range(1)), TOY_HEADS, dropout=0.0)


def fit_toy(
    base: Path, checkpoint: Path | None = None, progress: Progress = silent, options: FitOptions = TOY
) -> tuple[MultiTaskEncoder, list[float]]:
    """Train on the toy problem; at module level, so that another process can call it."""
    network = toy_network(base)
    losses = fit(network, toy_data(), options, padding=0, checkpoint=checkpoint, save_every=7, progress=progress)
    return network, losses


@pytest.fixture(scope="module")
def fitted(tiny_base: Path) -> tuple[MultiTaskEncoder, list[float]]:
    return fit_toy(tiny_base)


def weights_of(network: MultiTaskEncoder) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def same(one: MultiTaskEncoder, other: MultiTaskEncoder) -> bool:
    first, second = weights_of(one), weights_of(other)
    return first.keys() == second.keys() and all(np.allclose(first[key], second[key], atol=1e-6) for key in first)


# --- contributions ---


@pytest.fixture(scope="module")
def uneven(tiny_base: Path) -> MultiTaskEncoder:
    """Return a network none of whose parts is zero, one or symmetrical."""
    torch.manual_seed(3)
    network = MultiTaskEncoder(load_backbone(tiny_base), TOY_HEADS)
    for tensor in (network.scores.weight, network.scores.bias, network.attention.weight):
        torch.nn.init.normal_(tensor, std=0.7)
    network.shift.normal_()
    network.scale.uniform_(0.5, 2.0)
    return network.eval()


def test_contributions_sum_up_to_the_logits_and_padding_adds_nothing(uneven: MultiTaskEncoder) -> None:
    batch = make_batch(toy_data(6), np.arange(6), 0)
    assert not batch.attention_mask.all()
    with torch.no_grad():
        logits, contributions = uneven(batch.input_ids, batch.attention_mask)
        ids = batch.input_ids.clone()
        ids[batch.attention_mask == 0] = 33  # whatever stands in the padding
        again, _ = uneven(ids, batch.attention_mask)
    assert contributions.shape == (*batch.input_ids.shape, 7)
    torch.testing.assert_close(contributions.sum(dim=1) + uneven.scores.bias, logits)
    assert contributions[batch.attention_mask == 0].abs().max() == 0.0
    assert contributions[batch.attention_mask == 1].abs().min() > 0.0
    torch.testing.assert_close(again, logits)


def test_a_text_has_the_same_logits_alone_and_beside_longer_ones(uneven: MultiTaskEncoder) -> None:
    data = toy_data(6)
    with torch.no_grad():
        together, _ = uneven(*_inputs(data, range(6)))
        alone = torch.cat([uneven(*_inputs(data, [row]))[0] for row in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def _inputs(data: TokenizedSet, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    batch = make_batch(data, np.array(rows), 0)
    return batch.input_ids, batch.attention_mask


def test_the_exported_model_gives_what_the_network_gives(uneven: MultiTaskEncoder) -> None:
    outputs = 5  # without the last head, as without auxiliary ones
    exported = export_onnx(uneven, outputs)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["input_ids", "attention_mask"]
    assert [one.name for one in session.get_outputs()] == ["logits", "contributions", "vectors"]
    assert [len(one.shape) for one in session.get_outputs()] == [2, 3, 2]
    ids, mask = _inputs(toy_data(6), range(6))
    logits, contributions, vectors = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    bias = uneven.scores.bias[:outputs].detach().numpy()
    np.testing.assert_allclose(contributions.sum(axis=1) + bias, logits, atol=1e-4)
    assert np.abs(contributions[mask.numpy() == 0]).max() == 0.0
    with torch.no_grad():
        wanted, parts = uneven(ids, mask)
        means = uneven.pooled(ids, mask)
    # a value between two steps may be rounded up here and down there
    np.testing.assert_allclose(logits, wanted[:, :outputs], atol=0.02)
    np.testing.assert_allclose(contributions, parts[:, :, :outputs], atol=0.02)
    np.testing.assert_allclose(vectors, means, atol=0.02)


def test_exported_models_give_a_text_the_same_alone_and_in_batches(uneven: MultiTaskEncoder) -> None:
    exported = export_onnx(uneven, 7)
    data = toy_data(20)
    logits = run_onnx(exported, data, padding=0, batch_tokens=64)
    assert logits.shape == (20, 7)
    np.testing.assert_allclose(logits, run_onnx(exported, data, padding=0, batch_tokens=1), atol=1e-4)


def test_weights_are_stored_and_multiplied_as_integers(uneven: MultiTaskEncoder) -> None:
    graph = onnx.load_from_string(export_onnx(uneven, 7)).graph
    layers = [part for part in uneven.backbone.modules() if isinstance(part, IntegerLinear)]
    assert sum(node.op_type == "MatMulIntegerToFloat" for node in graph.node) == len(layers) == 12
    whole = sum(layer.weight.numel() for layer in layers)
    stored = [weight for weight in graph.initializer if weight.data_type == onnx.TensorProto.INT8]
    assert sum(int(np.prod(weight.dims)) for weight in stored) >= whole
    kept = [weight for weight in graph.initializer if weight.data_type == onnx.TensorProto.FLOAT]
    pieces = max(part.num_embeddings for part in uneven.backbone.modules() if isinstance(part, nn.Embedding))
    assert max(int(np.prod(weight.dims)) for weight in kept) == pieces


# --- integers ---


def test_a_token_is_rounded_by_itself_to_eight_bits(uneven: MultiTaskEncoder) -> None:
    layer = next(part for part in uneven.backbone.modules() if isinstance(part, IntegerLinear))
    tokens = torch.randn(4, layer.in_features) * torch.tensor([[0.01], [1.0], [100.0], [0.0]])
    with torch.no_grad():
        together, alone = layer(tokens), torch.cat([layer(token[None]) for token in tokens])
        exact = nn.functional.linear(tokens, layer.weight, layer.bias)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    error = (together - exact).abs().amax(dim=1)
    span = tokens.abs().amax(dim=1) * layer.weight.abs().amax() * layer.in_features
    assert bool((error <= 0.01 * span + 1e-6).all())
    assert float(error[2]) > 0.0


def test_only_what_follows_the_activation_is_rounded_from_its_least_value_up(uneven: MultiTaskEncoder) -> None:
    named = [(name, part) for name, part in uneven.backbone.named_modules() if isinstance(part, IntegerLinear)]
    lowest = {name: part.lowest for name, part in named}
    assert {name for name, value in lowest.items() if value is not None} == {
        name for name in lowest if name.endswith(".output.dense") and "attention" not in name
    }
    assert {value for value in lowest.values() if value is not None} == {-0.17}


def test_gradients_pass_the_rounding(uneven: MultiTaskEncoder) -> None:
    layer = next(part for part in uneven.backbone.modules() if isinstance(part, IntegerLinear))
    tokens = torch.randn(3, layer.in_features, requires_grad=True)
    layer(tokens).sum().backward()
    assert tokens.grad is not None
    assert layer.weight.grad is not None
    assert float(tokens.grad.abs().sum()) > 0.0
    assert float(layer.weight.grad.abs().sum()) > 0.0


def test_channels_that_are_large_everywhere_are_smoothed_once(uneven: MultiTaskEncoder) -> None:
    layers = [part for part in uneven.backbone.modules() if isinstance(part, IntegerLinear) and part.lowest is None]
    data = toy_data(12)
    with torch.no_grad():
        smooth(uneven.backbone, lambda: uneven(*_inputs(data, range(12))))
        found = [layer.usual.clone() for layer in layers]
        assert all(0.05 <= float(usual.min()) < 1.0 < float(usual.max()) <= 20.0 for usual in found)
        smooth(uneven.backbone, lambda: uneven(*_inputs(data, range(3))))
    assert all(bool((layer.usual == usual).all()) for layer, usual in zip(layers, found, strict=True))


# --- losses ---


def _loss(network: MultiTaskEncoder, logits: torch.Tensor, data: TokenizedSet) -> torch.Tensor:
    batch = make_batch(data, np.arange(len(data)), 0)
    return multi_task_loss(network, logits, batch, value_weights(data, 0.25))


def test_what_is_not_labelled_does_not_count(uneven: MultiTaskEncoder) -> None:
    data = toy_data(12)
    logits = torch.randn(12, 7, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = _loss(uneven, logits, data)
    (gradient,) = torch.autograd.grad(loss, logits)
    known = torch.from_numpy(data.known)
    assert gradient[~known].abs().max() == 0.0
    assert gradient[known].abs().min() > 0.0
    other = data.values.copy()
    other[~data.known] = 1.0 - other[~data.known]
    changed = torch.where(known, logits, torch.full_like(logits, 9.0))
    assert float(_loss(uneven, changed, replace(data, values=other)).detach()) == pytest.approx(float(loss.detach()))


def test_heads_without_any_label_give_no_loss(uneven: MultiTaskEncoder) -> None:
    data = replace(toy_data(5), known=np.zeros((5, 7), dtype=bool))
    logits = torch.randn(5, 7, requires_grad=True)
    assert float(_loss(uneven, logits, data).detach()) == 0.0


def test_texts_of_no_weight_do_not_count(uneven: MultiTaskEncoder) -> None:
    weights = np.array([1, 0, 1, 0], dtype=np.float32)
    logits = torch.randn(4, 7, requires_grad=True)
    (gradient,) = torch.autograd.grad(_loss(uneven, logits, replace(toy_data(4), weights=weights)), logits)
    assert gradient[1::2].abs().max() == 0.0
    assert gradient[::2, :3].abs().min() > 0.0


def test_rare_values_count_more_and_unlabelled_rows_not_at_all() -> None:
    data = replace(toy_data(100), known=np.ones((100, 7), dtype=bool))
    data.values[:] = 0.0
    data.values[:20, 0] = data.values[:2, 1] = data.values[:, 2] = 1.0
    weights = value_weights(data, 0.5).tolist()
    assert weights[:3] == pytest.approx([1.0, 10**0.5, 1.0])
    assert max(weights) == 4.0
    assert set(value_weights(data, 0.0).tolist()) == {1.0}
    data.known[50:, 0] = False
    data.values[50:, 0] = 1.0
    assert value_weights(data, 0.5)[0] == 1.0
    data.known[4:, 0] = False
    assert value_weights(data, 0.5)[0] == 1.0


# --- pieces and batches ---


@pytest.mark.parametrize("random", [None, np.random.default_rng(4)], ids=["by length", "shuffled"])
def test_batches_hold_every_text_once_within_the_limit(random: np.random.Generator | None) -> None:
    lengths = np.random.default_rng(2).integers(2, 60, 500)
    plan = batch_rows(lengths, 256, random)
    assert sorted(np.concatenate(plan).tolist()) == list(range(500))
    padded = [len(rows) * int(lengths[rows].max()) for rows in plan]
    assert max(padded) <= 256
    assert sum(padded) < 1.2 * lengths.sum()


def test_a_text_longer_than_the_limit_is_a_batch_of_its_own() -> None:
    plan = batch_rows(np.array([50, 3, 300, 3]), 100, None)
    assert [rows.tolist() for rows in plan] == [[2], [0, 1], [3]]


def test_the_order_of_batches_is_that_of_the_seed() -> None:
    lengths = np.random.default_rng(2).integers(2, 60, 200)
    first, second, other = (batch_rows(lengths, 256, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in second]
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in other]


def test_tensors_of_a_batch_hold_pieces_and_padding() -> None:
    data = toy_data(30)
    seen = []
    for batch in batches(data, tokens=64, padding=9):
        for place, row in enumerate(batch.rows.tolist()):
            size = len(data.pieces[row])
            assert batch.input_ids[place, :size].tolist() == data.pieces[row].tolist()
            assert set(batch.input_ids[place, size:].tolist()) <= {9}
            assert batch.attention_mask[place].tolist() == [1] * size + [0] * (batch.input_ids.shape[1] - size)
            assert batch.values[place].tolist() == data.values[row].tolist()
            seen.append(row)
    assert sorted(seen) == list(range(30))


def test_sets_are_joined_and_taken_apart() -> None:
    data = toy_data(10)
    both = joined([data, data.subset([3, 1])])
    assert len(both) == 12
    assert both.pieces[10].tolist() == data.pieces[3].tolist()
    assert both.values[11].tolist() == data.values[1].tolist()
    assert both.known.shape == (12, 7)


@pytest.mark.parametrize("limit", [8, 9, 10, 64])
def test_long_texts_keep_their_head_and_tail(limit: int) -> None:
    ids = list(range(100))
    kept = shortened(ids, limit)
    head = limit * 2 // 3
    assert kept == ids[:head] + ids[100 - (limit - head) :]
    assert len(kept) == limit
    assert shortened(ids[:limit], limit) == ids[:limit]


def test_pieces_of_texts_are_read_within_the_limit(tiny_base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    short, long = pieces_of(tokenizer, ["手机坏了", "坏" * 100 + "退款"], 20)
    assert [short[0], short[-1], len(short)] == [2, 3, 6]
    assert len(long) == 20
    assert long[-3:].tolist() == [*tokenizer("退款")["input_ids"][1:3], 3]


# --- training ---


def test_a_compiled_network_learns_the_same(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # without the C++ compiler, which would take a minute
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain, losses = fit_toy(tiny_base, options=replace(TOY, epochs=2))
    compiled, its_losses = fit_toy(tiny_base, options=replace(TOY, epochs=2, compiled=True))
    torch.compiler.reset()
    assert its_losses == pytest.approx(losses, rel=0.02)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    answers, others = (predict_logits(network, toy_data(), padding=0) for network in (plain, compiled))
    assert np.corrcoef(answers.ravel(), others.ravel())[0, 1] > 0.98


def test_training_learns_what_there_is_to_learn(fitted: tuple[MultiTaskEncoder, list[float]]) -> None:
    network, losses = fitted
    assert len(losses) == TOY.epochs
    assert losses[-1] < losses[0] / 3
    data = toy_data()
    logits = predict_logits(network, data, padding=0)
    assert (logits[:, :3].argmax(axis=1) == data.values[:, :3].argmax(axis=1)).mean() > 0.95
    assert ((logits[:, 3:5] > 0) == (data.values[:, 3:5] > 0)).mean() > 0.95


def test_fitting_the_heads_alone_leaves_the_encoder_as_it_is(tiny_base: Path) -> None:
    network = toy_network(tiny_base)
    before = weights_of(network)
    first = probe(network, toy_data(), padding=0, steps=1)
    last = probe(network, toy_data(), padding=0, steps=150)
    after = weights_of(network)
    assert last < 0.8 * first
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    heads = {"scores.weight", "scores.bias", "shift", "scale"}
    assert {name for name in changed if not name.endswith(".usual")} == heads  # `usual` is how the encoder is rounded


def test_rates_fall_from_the_heads_to_the_embeddings(tiny_base: Path) -> None:
    network = MultiTaskEncoder(load_backbone(tiny_base), TOY_HEADS)
    groups = parameter_groups(network, rate=1e-4, head_rate=1e-2, decay=0.5)
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    named = dict(network.named_parameters())
    assert len(rate) == len(named)
    for start, wanted in (
        ("backbone.embeddings.word", 2.5e-5),
        ("backbone.encoder.layer.0", 5e-5),
        ("backbone.encoder.layer.1", 1e-4),
        ("scores", 1e-2),
        ("attention", 1e-2),
    ):
        found = {rate[id(parameter)] for name, parameter in named.items() if name.startswith(start)}
        assert found == {wanted}, start


def test_a_run_ends_early_when_it_is_told_to(tiny_base: Path) -> None:
    ended: list[int] = []

    def enough(epoch: int) -> bool:
        ended.append(epoch)
        return epoch == 1

    fit(toy_network(tiny_base), toy_data(20), TOY, padding=0, after_epoch=enough)
    assert ended == [0, 1]


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_encoder import fit_toy

def progress(stage, done, total):
    if done >= 40:
        os.kill(os.getpid(), signal.SIGKILL)

fit_toy(Path(sys.argv[2]), Path(sys.argv[3]), progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(
    tiny_base: Path, tmp_path: Path, fitted: tuple[MultiTaskEncoder, list[float]]
) -> None:
    command = [sys.executable, "-c", _KILLED, str(HERE), str(tiny_base), str(tmp_path)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process, where sums come in the same order then
    killed = subprocess.run(command, check=False, capture_output=True, env=alone)  # noqa: S603 - our own words
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert json.loads((tmp_path / "state.json").read_text("utf-8"))["step"] == 35
    told: list[int] = []
    network, _ = fit_toy(tiny_base, tmp_path, lambda _, done, __: told.append(done))
    assert told[0] == 40  # the steps before are not done again
    assert same(network, fitted[0])


class StoppedError(Exception):
    """Raised where a run is to stop."""


def stop_at(stage: str, done: int = 0) -> Progress:
    def progress(told: str, so_far: int, total: int, /) -> None:
        del total
        if told == stage and so_far >= done:
            raise StoppedError

    return progress


def test_a_run_stopped_twice_goes_on_from_the_last_state(
    tiny_base: Path, tmp_path: Path, fitted: tuple[MultiTaskEncoder, list[float]]
) -> None:
    for done in (20, 50):
        with pytest.raises(StoppedError):
            fit_toy(tiny_base, tmp_path, stop_at("training", done))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["49.network.safetensors", "49.optimizer.safetensors", "state.json"]
    (tmp_path / "56.network.safetensors").write_bytes(b"cut off")  # as a kill in the middle of saving leaves it
    assert same(fit_toy(tiny_base, tmp_path)[0], fitted[0])


def test_a_state_of_other_options_is_not_gone_on_from(tiny_base: Path, tmp_path: Path) -> None:
    options = replace(TOY, epochs=2)
    with pytest.raises(StoppedError):
        fit_toy(tiny_base, tmp_path, stop_at("training", 10))
    fresh, losses = fit_toy(tiny_base, options=options)
    again, others = fit_toy(tiny_base, tmp_path, options=options)
    assert losses == pytest.approx(others)
    assert same(fresh, again)


def test_weights_are_stored_and_restored(tiny_base: Path, tmp_path: Path, uneven: MultiTaskEncoder) -> None:
    path = tmp_path / "stage.safetensors"
    store(uneven, path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    other = MultiTaskEncoder(load_backbone(tiny_base), TOY_HEADS)
    restore(other, path)
    assert same(other, uneven)
    with pytest.raises(DataError, match="does not fit this base and these heads") as caught:
        restore(MultiTaskEncoder(load_backbone(tiny_base), TOY_HEADS[:2]), path)
    assert str(caught.value).startswith(f"{path}: ")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError) as caught:
        restore(other, path)
    assert str(caught.value).startswith(f"{path}: ")


# --- auxiliary sets and unlabelled texts ---


def test_maps_of_auxiliary_sets_lead_to_values_of_their_heads() -> None:
    sets = load_auxiliary()
    assert [head.name for head in auxiliary_heads(sets)] == list(sets.heads)
    for name, head in sets.heads.items():
        assert len(set(head.values)) == len(head.values)
        assert head.files
        for file in head.files:
            assert set(file.flags) <= set(head.values), name
            for values in (file.map or {}).values():
                assert set(values) <= set(head.values), name
                assert head.kind == "several" or len(values) == 1, name


def test_auxiliary_texts_have_the_values_of_their_labels(auxiliary_folder: Path) -> None:
    sets = load_auxiliary()
    texts = read_auxiliary(sets, auxiliary_folder)
    found = {(text.head, text.text): text.values for text in texts}
    assert {text.head for text in texts} == set(sets.heads)
    assert not [text for text in texts if "unknown" in text.text]
    assert found["polarity", "這句話說的是1"] == ("positive",)
    assert found["polarity", "這句話說的是0"] == ()
    assert ("polarity", "這句話說的是3.0") not in found
    assert found["smp2020", "這句話說的是angry"] == ("angry",)
    assert found["semeval2025", "这句话说的是joy"] == ("joy",)
    assert found["car_subject", "這句話說的是油耗"] == ("油耗",)
    assert found["car_sentiment", "這句話說的是-1"] == ("-1",)
    for text in texts:
        assert set(text.values) <= set(sets.heads[text.head].values)
    assert 0 < len(read_auxiliary(sets, auxiliary_folder, scale=0.5)) < len(texts)


def one_set(path: str) -> AuxiliarySets:
    file = {"path": path, "label": "label", "map": {"1": ["yes"], "0": []}}
    head = {"kind": "several", "values": ["yes"], "weight": 1.0, "files": [file]}
    return AuxiliarySets.model_validate({"version": 1, "heads": {"question": head}})


def _line(content: Any) -> bytes:
    return gzip.compress(json.dumps(content).encode() + b"\n")


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"plain",
        _line({"text": "x" * 999, "label": list(range(999))})[:-20],
        _line("x")[:10] + b"damaged" * 9,
        _line([1]),
        gzip.compress(b'{"text"'),
        gzip.compress(b"\xff"),
    ],
    ids=["missing", "no gzip", "cut off", "damaged", "no object", "no JSON", "no UTF-8"],
)
def test_an_auxiliary_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "set.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_auxiliary(one_set(path.name), tmp_path)
    assert str(caught.value).startswith(f"{path}: cannot be read as gzipped JSON lines: ")


def test_unlabelled_texts_come_from_all_files_alike(tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        lines = ["短", "長" * 301, "", *(f"  {path.stem} 的第 {i} 句話，不長不短 " for i in range(60))]
        path.write_text("\n".join(lines), "utf-8")
    texts = read_texts(paths, 20)
    assert [len(texts), len(set(texts))] == [20, 20]
    assert [sum(text.startswith(stem) for text in texts) for stem in "ab"] == [10, 10]
    assert texts == read_texts(paths, 20)
    assert len(read_texts(paths, 1000)) == 120
    with pytest.raises(DataError, match="none"):
        read_texts([*paths, tmp_path / "none.txt"], 20)


# --- the whole way ---

ROWS = 120
OPTIONS = EncoderOptions(
    layers=1,
    unlabelled=40,
    auxiliary_scale=1.0,
    warm_up_tokens=48,
    max_tokens=64,
    folds_run=2,
    tuning=FitOptions(epochs=1, rate=1e-3),
)
ASKED = [
    "客服態度超級差，打了三通電話都沒人接，我要退款！",
    "快递显示签收，我根本没收到东西，客服一直不回复，非常生气",
    "手机壞了，客服说要等两周，我等不及了啦，麻煩快點處理",
    "謝謝店員幫忙😊，非常滿意！！！",
    "ＡＢＣ　你們的 APP 一直閃退，＃１２３ 訂單到底在哪裡？\n\n快點回覆",
    "我在你們店裡買的洗衣機才用兩個月就漏水，" * 8 + "我要退貨！",
    "嘅",
    "",
]


@dataclass(frozen=True)
class Trained:
    """A run that was stopped once and then went on to its end."""

    result: TrainingResult
    train: partial[TrainingResult]
    work: Path
    data: Path
    early: dict[str, int]

    @property
    def bundle(self) -> Bundle:
        return self.result.bundle


def stamps(work: Path) -> dict[str, int]:
    """Return when every file of a work folder was written."""
    files = [path for path in sorted(work.rglob("*")) if path.is_file()]
    return {str(path.relative_to(work)): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "LinearOptions", partial(LinearOptions, folds=3, jobs=1))
        patch.setattr(stages, "probe", partial(probe, steps=30))
        yield


@pytest.fixture(scope="module")
def trained(
    quick: None, one_thread: None, tiny_base: Path, auxiliary_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    del quick, one_thread
    folder = tmp_path_factory.mktemp("encoder")
    records = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
    rows = [row for row in records if row["split"] == "train"]
    rows = rows[:: len(rows) // ROWS][:ROWS]
    held_out = [row for row in records if row["split"] == "test"][:12]
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [*rows, *held_out]), "utf-8")
    used = {row["text"] for row in [*rows, *held_out]}
    further = [row for row in records if row["text"] not in used and "\n" not in row["text"] and row["text"].strip()]
    corpus = [row["text"].strip() for row in further[-60:]]
    (folder / "corpus.txt").write_text("".join(text + "\n" for text in corpus), "utf-8")
    keyed = [
        {"id": key_of(row["text"].strip()), "draw": "random", **{name: row.get(name) for name in TASKS}}
        for row in further[-10:]
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(record) + "\n" for record in keyed), "utf-8")
    sources = EncoderSources(tiny_base, auxiliary_folder, [folder / "corpus.txt"], folder / "labels.jsonl")
    work = folder / "work"
    train = partial(
        train_encoder_bundle, [data], sources=sources, work=work, test=[data], options=OPTIONS, name="tiny", seed=2
    )
    with pytest.raises(StoppedError):
        train(folder / "bundle", progress=stop_at("training without fold 1"))
    assert not (folder / "bundle").exists()
    early = stamps(work)
    return Trained(train(folder / "bundle"), train, work, data, early)


def test_a_stopped_run_keeps_the_stages_it_has_finished(trained: Trained) -> None:
    finished = {
        "run.json",
        "linear/bundle.json",
        "linear_out_of_fold.npy",
        "warm_up.safetensors",
        "without_fold_0.safetensors",
        "without_fold_0.npy",
    }
    assert finished <= set(trained.early)
    assert not [name for name in trained.early if name.startswith("without_fold_1")]
    now = stamps(trained.work)
    assert {"without_fold_1.npy", "without_fold_1.safetensors"} <= set(now)
    assert "final.safetensors" not in now  # the mean of both
    assert {name: now[name] for name in finished} == {name: trained.early[name] for name in finished}


def test_the_final_network_is_the_mean_of_those_of_the_folds(tiny_base: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    wanted: dict[str, Any] = {}
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        network = toy_network(tiny_base)
        with torch.no_grad():
            network.scores.weight.normal_()
        store(network, path)
        for name, weights in weights_of(network).items():
            wanted[name] = wanted.get(name, 0.0) + weights / 2
    mean = toy_network(tiny_base)
    restore_mean(mean, paths)
    for name, weights in weights_of(mean).items():
        np.testing.assert_allclose(weights, wanted[name], atol=1e-6)


def test_a_bundle_of_both_models_holds_what_they_need(trained: Trained) -> None:
    bundle = open_bundle(trained.bundle.path)
    assert bundle.manifest.components == ("linear", "encoder")
    assert bundle.manifest.name == "tiny"
    assert f"{ROWS + 10} messages of data.jsonl and labelled texts of a corpus" in bundle.manifest.trained_with
    assert sorted(bundle.manifest.files) == sorted(
        [
            "README.md",
            "blend.npz",
            "calibration.accurate.json",
            "calibration.json",
            "cascade.json",
            "encoder.json",
            "encoder.onnx",
            "labels.json",
            "linear.npz",
            "tokenizer.json",
            "vectors.npz",
        ]
    )
    assert bundle.json(SETTINGS) == {"max_tokens": 64, "padding": 0, "outputs": OUTPUTS}
    title = f"{trained.data.parent.name}/data.jsonl"
    assert {f"{title}, {speed}" for speed in ("fast", "balanced", "accurate")} < set(trained.result.evaluations)
    for key, evaluation in trained.result.evaluations.items():
        assert evaluation.messages > 0
        if key.startswith(title):
            assert [evaluation.messages, evaluation.not_analysed] == [12, 0]
    card = (bundle.path / "README.md").read_text("utf-8")
    assert "The encoder: the first 1 layers of base" in card


@pytest.fixture(scope="module")
def analyzers(trained: Trained) -> dict[Speed, Analyzer]:
    return {speed: Analyzer.load(trained.bundle.path, speed=speed, threads=1) for speed in SPEEDS}


@pytest.mark.parametrize("speed", SPEEDS)
def test_every_speed_answers_both_scripts_with_evidence_from_the_text(
    analyzers: dict[Speed, Analyzer], speed: Speed
) -> None:
    assert analyzers[speed].speed == speed
    reports = analyzers[speed].analyze_batch(ASKED)
    assert [report.script for report in reports[:3]] == ["traditional", "simplified", "mixed"]
    assert [report.status for report in reports] == [*[Status.OK] * 6, Status.TOO_SHORT, Status.EMPTY]
    shown = 0
    for text, report in zip(ASKED[:6], reports, strict=False):
        assert report.text == text
        for name, task in TASKS.items():
            result = report.task(name)
            assert list(map(str, result.scores)) == list(task.values)
            assert all(0.0 <= score <= 1.0 for score in result.scores.values())
            for span in result.evidence:
                assert 0 <= span.start < span.end <= len(text)
                assert span.text == text[span.start : span.end]
                assert 0.0 < span.weight <= 1.0
                shown += 1
    assert shown > 30


def test_accurate_differs_from_fast(analyzers: dict[Speed, Analyzer]) -> None:
    fast, accurate = (_scores(one.analyze(ASKED[0])) for one in (analyzers["fast"], analyzers["accurate"]))
    assert np.abs(fast - accurate).max() > 0.001


def _scores(report: Report) -> NDArray[np.float64]:
    return np.array([score for name in TASKS for score in report.task(name).scores.values()])


def rewritten(bundle: Bundle, target: Path, changes: Mapping[str, bytes | None]) -> Path:
    """Write the bundle again with other content in some files, or without them, and a manifest that fits."""
    kept = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files if name != "labels.json"}
    files = {name: content for name, content in {**kept, **changes}.items() if content is not None}
    manifest = bundle.manifest
    write_bundle(
        target, name="changed", trained_with=manifest.trained_with, components=manifest.components, files=files
    )
    return target


def test_balanced_asks_the_encoder_only_where_the_linear_model_is_not_sure(
    trained: Trained, analyzers: dict[Speed, Analyzer], tmp_path: Path
) -> None:
    texts = ASKED[:6]
    messages = Normalizer().normalize_batch(texts)
    sure = sureness(LinearClassifier(trained.bundle).predict(messages).probabilities)
    assert ((sure > 0) & (sure < 1)).all()
    threshold = float(np.median(sure))
    changed = rewritten(trained.bundle, tmp_path / "half", {CASCADE: json.dumps({"sure": threshold}).encode()})
    balanced = Analyzer.load(changed, threads=1)
    fast, accurate = analyzers["fast"], analyzers["accurate"]
    assert balanced.speed == "balanced"
    # one text a time: where integers stand for numbers, what stands beside a text in a batch matters a little
    for text, one in zip(texts, sure.tolist(), strict=True):
        teacher = fast if one >= threshold else accurate
        report, wanted = balanced.analyze(text), teacher.analyze(text)
        np.testing.assert_allclose(_scores(report), _scores(wanted), atol=1e-6)
        assert [report.task(name).evidence for name in TASKS] == [wanted.task(name).evidence for name in TASKS]
    together = balanced.analyze_batch(texts)
    assert [report.text for report in together] == texts


def test_long_messages_show_no_evidence_across_what_was_not_read(trained: Trained) -> None:
    text = "".join(chr(0x4E00 + 37 * i) for i in range(200))
    (message,) = Normalizer(NormalizerConfig(max_chars=1000)).normalize_batch([text])
    assert len(message.text) == 200
    batch = Encoder(trained.bundle, threads=1).run([message, message])
    half = len(batch.rows) // 2
    assert batch.rows.tolist() == [0] * half + [1] * half
    starts, ends = batch.starts[:half], batch.ends[:half]
    # [CLS] and 41 characters, then 21 characters and [SEP]
    assert [starts[40], ends[40], starts[42], ends[-1]] == [40, 41, 179, 200]
    assert [starts[41], ends[41]] == [41, 179]
    assert np.abs(batch.contributions[41]).max() == 0.0
    assert (np.abs(batch.contributions).max(axis=1) > 0).sum() == 2 * (half - 1)
    assert batch.logits.shape == (2, OUTPUTS)
    assert batch.vectors.shape == (2, 32)


def test_pieces_of_a_message_are_its_own_whatever_stands_beside_it(trained: Trained) -> None:
    encoder = Encoder(trained.bundle, threads=1)
    messages = Normalizer().normalize_batch([text for text in ASKED if text] * 5)
    batch = encoder.run(messages)
    assert batch.contributions.shape == (len(batch.rows), sum(len(values) for values in HEADS.values()))
    assert (np.diff(batch.rows) >= 0).all()
    for row, message in enumerate(messages):
        mine = batch.rows == row
        (alone,) = [encoder.run([message])]
        assert batch.starts[mine].tolist() == alone.starts.tolist()
        assert batch.ends[mine].max() <= len(message.text)
        np.testing.assert_allclose(batch.logits[row], alone.logits[0], atol=0.3)


def test_a_finished_run_trains_nothing_again(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> NoReturn:
        pytest.fail("trained again")

    for module, name in ((stages, "fit"), (stages, "probe"), (encoder_run, "fit_linear")):
        monkeypatch.setattr(module, name, never)
    before = stamps(trained.work)
    again = trained.train(tmp_path / "again").bundle
    assert stamps(trained.work) == before
    for name, entry in trained.bundle.manifest.files.items():
        assert again.manifest.files[name] == entry, name


def test_a_work_folder_of_another_run_is_refused(trained: Trained, tmp_path: Path) -> None:
    before = stamps(trained.work)
    fewer = tmp_path / "data.jsonl"
    fewer.write_text("\n".join(trained.data.read_text("utf-8").splitlines()[:60]), "utf-8")
    keywords = {key: value for key, value in trained.train.keywords.items() if key != "test"}
    for change, data in (
        ({"options": replace(OPTIONS, unlabelled=39)}, trained.data),
        ({"options": replace(OPTIONS, tuning=replace(OPTIONS.tuning, epochs=2))}, trained.data),
        ({}, fewer),
    ):
        with pytest.raises(DataError) as caught:
            train_encoder_bundle([data], tmp_path / "out", **{**keywords, **change})
        assert str(caught.value).startswith(f"{trained.work}: holds stages of a run with other data or options")
    assert stamps(trained.work) == before
    assert not (tmp_path / "out").exists()


def test_a_base_of_another_form_of_stages_is_refused(trained: Trained, tiny_base: Path, tmp_path: Path) -> None:
    shop = Workshop(tiny_base, replace(OPTIONS, layers=2), tmp_path)
    with pytest.raises(DataError, match="use another --work folder"):
        restore(shop.network(), trained.work / "without_fold_0.safetensors")


def test_heads_of_a_fresh_network_are_those_of_the_seed(tiny_base: Path, tmp_path: Path) -> None:
    shop = Workshop(tiny_base, OPTIONS, tmp_path)
    assert same(shop.network(), shop.network())


def test_an_analyzer_of_any_speed_can_be_pickled(analyzers: dict[Speed, Analyzer]) -> None:
    for speed, analyzer in analyzers.items():
        again = pickle.loads(pickle.dumps(analyzer))  # noqa: S301 - our own object
        assert again.speed == speed
        np.testing.assert_allclose(_scores(again.analyze(ASKED[1])), _scores(analyzer.analyze(ASKED[1])), atol=1e-6)


# --- what is refused ---


def _renamed(model: bytes) -> bytes:
    graph = onnx.load_from_string(model)
    for node in graph.graph.node:
        node.output[:] = ["answers" if name == "logits" else name for name in node.output]
        node.input[:] = ["answers" if name == "logits" else name for name in node.input]
    for output in graph.graph.output:
        if output.name == "logits":
            output.name = "answers"
    content: bytes = graph.SerializeToString()
    return content


def _damaged(model: bytes) -> bytes:
    return model[: len(model) // 2]


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (MODEL, _damaged, "the encoder cannot be loaded"),
        (MODEL, _renamed, "its outputs are not 'logits', 'contributions' and 'vectors'"),
        (MODEL, lambda _: b"", "the encoder cannot be loaded"),
        (MODEL, lambda _: None, "the bundle has no file 'encoder.onnx'"),
        (TOKENIZER, lambda _: b"{}", "the encoder cannot be loaded"),
        (TOKENIZER, lambda _: b"\xff", "the encoder cannot be loaded"),
        (TOKENIZER, lambda _: None, "the bundle has no file 'tokenizer.json'"),
        (SETTINGS, lambda _: b'{"max_tokens": 4, "padding": 0, "outputs": 9}', "max_tokens: "),
        (SETTINGS, lambda _: b"[]", SETTINGS),
        (CASCADE, lambda _: b'{"sure": -1}', "sure: "),
        (CASCADE, lambda _: None, "the bundle has no file 'cascade.json'"),
        (BLEND, lambda _: None, "the bundle has no file 'blend.npz'"),
        (BLEND, lambda _: b"PK", "not an archive of plain arrays"),
        (SETTINGS, lambda _: b'{"max_tokens": 64, "padding": 0, "outputs": 9}', "matrix should have the shape"),
        (BLEND_CALIBRATION, lambda _: b"{}", BLEND_CALIBRATION),
    ],
)
def test_a_damaged_encoder_is_refused_by_name(
    trained: Trained, tmp_path: Path, name: str, change: Callable[[bytes], bytes | None], problem: str
) -> None:
    content = change((trained.bundle.path / name).read_bytes())
    path = rewritten(trained.bundle, tmp_path / "bundle", {name: content})
    with pytest.raises(ModelError) as caught:
        Analyzer.load(path)
    assert str(caught.value).startswith(str(path))
    assert problem in str(caught.value)
    assert Analyzer.load(path, speed="fast").analyze(ASKED[0]).status is Status.OK


def test_a_file_changed_behind_the_manifest_is_refused(trained: Trained, tmp_path: Path) -> None:
    path = rewritten(trained.bundle, tmp_path / "bundle", {})
    content = bytearray((path / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (path / MODEL).write_bytes(content)
    assert hashlib.sha256(content).hexdigest() != trained.bundle.manifest.files[MODEL].sha256
    with pytest.raises(ModelError, match="not what the manifest says") as caught:
        Analyzer.load(path)
    assert str(caught.value).startswith(str(path / MODEL))


@pytest.mark.parametrize("speed", ["balanced", "accurate"])
def test_a_bundle_without_an_encoder_is_refused_for_speeds_that_need_one(trained: Trained, speed: Any) -> None:
    path = trained.work / "linear"
    with pytest.raises(ModelError) as caught:
        Analyzer.load(path, speed=speed)
    assert str(caught.value) == (f"{path}: the bundle has no encoder, which speed='{speed}' needs; use speed='fast'")
    assert Analyzer.load(path).speed == "fast"


def test_there_are_three_speeds(trained: Trained) -> None:
    wrong: Any = "slow"
    assert SPEEDS == ("fast", "balanced", "accurate")
    with pytest.raises(ValueError, match="speed must be one of fast, balanced, accurate, got 'slow'"):
        Analyzer.load(trained.bundle.path, speed=wrong)
