"""What single steps of the encoder's recipe give, each for itself and small enough for two cores.

    python benchmarks/recipe.py --base ../shared/models/e5-small-zh --data ../shared/data encoder encoder:seed=1
    python benchmarks/recipe.py ... encoder:pretrain=60000 encoder:noise=0.5 encoder:layers=12 linear

Every argument is one training: heads fitted, then ``epochs`` passes over ``messages`` of the labelled messages outside
fold 0, then the messages of fold 0 are ranked: average precision, mean over the values, for fairly drawn real messages,
our own ones of trades left out whole, and the real ones with noise. ``out=SOURCE`` leaves a source of real messages out
and ranks these instead; ``out=each`` does so with one after the other. ``linear`` is the linear model on the same
messages. Finished trainings are kept in ``--work`` and only printed again.

Settings of a training and what they are when left out: see :class:`Recipe`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import opencc
import torch
from sklearn.metrics import average_precision_score
from torch import nn

from complaint_nlp.classify.linear import HEADS, head_slices
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.text import Normalizer
from complaint_nlp.train.encoder.batches import TokenizedSet, batch_rows, make_batch, pieces_of
from complaint_nlp.train.encoder.fit import FitOptions, fit, predict_logits, probe
from complaint_nlp.train.encoder.stages import EncoderOptions, Workshop, read_texts, restore, store
from complaint_nlp.train.linear import LinearOptions, fit_linear, folds_of, targets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from complaint_nlp.train.encoder.network import MultiTaskEncoder

    Answer = Callable[[list[str]], NDArray[np.float32]]

SHOWN = ("intent", "category", "subcategory", "urgency", "emotion_primary", "intensity", "needs", "demands")
FILLERS = ("嗯", "那个", "就是", "然后", "这个", "就是说", "反正", "其实")
LEAST = 3  # texts with a value, without which its average precision says nothing
MASKED = 0.15


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training.

    Attributes:
        model: ``encoder`` or ``linear``, which takes only ``seed``, ``messages`` and ``out``.
        seed: of the choice and order of messages, and of dropout.
        layers: of the base, from the first.
        messages: how many labelled messages.
        epochs: passes over them.
        balance: power of the inverse frequency that rare values are weighted with.
        noise: part of the messages that are read with noise.
        pretrain: texts of the corpus for masked-language training of the encoder before all else; 0 for none.
        out: source of real messages to leave out.
    """

    model: str = "encoder"
    seed: int = 0
    layers: int = 6
    messages: int = 8000
    epochs: int = 1
    balance: float = 0.25
    noise: float = 0.0
    pretrain: int = 0
    out: str = ""

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Return the recipe of an argument such as ``encoder:seed=1:layers=12``."""
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(cls)}
        model, *rest = text.split(":")
        given = {"model": model, **dict(part.split("=", 1) for part in rest)}
        return cls(**{name: kinds[name](value) for name, value in given.items()})


def noisy(texts: list[str], share: float, seed: int) -> list[str]:
    """Return the texts, a share of them as people type or dictate: regional words, slips, no punctuation, fillers."""
    chance = random.Random(seed)
    regional = opencc.OpenCC("s2twp")
    changed = [_noisy(text, chance, regional) if chance.random() < share else text for text in texts]
    return [message.text for message in Normalizer().normalize_batch(changed)]


def _noisy(text: str, chance: random.Random, regional: opencc.OpenCC) -> str:
    kind = chance.randrange(4)
    if kind == 0:
        return str(regional.convert(text))
    letters = list(text)
    if kind == 1:  # two slips in a hundred characters: left out, doubled, or changed places
        for _ in range(max(1, len(letters) // 50)):
            i = chance.randrange(len(letters))
            what = chance.randrange(3)
            letters[i : i + 2] = {0: letters[i + 1 : i + 2], 1: [letters[i], *letters[i : i + 2]]}.get(
                what, letters[i : i + 2][::-1]
            )
        return "".join(letters) or text
    pieces = [piece for piece in re.split(r"[，。！？、；：,.!?;:\s~…]+", text) if piece]
    if kind == 2 or len(pieces) < 2:
        return "".join(pieces) or text
    return "".join(chance.choice(FILLERS) + piece if chance.random() < 0.3 else piece for piece in pieces)


class Bench:
    """Data and base that all trainings share."""

    def __init__(self, base: str, data: Path, work: Path, device: str, *, compiled: bool) -> None:
        self.base, self.work, self.device, self.compiled = base, work, device, compiled
        self.corpus = sorted((data / "corpus").glob("*.txt.xz"))
        files = [data / "complaints" / "train.jsonl", Path("data/messages.jsonl")]
        self.messages: list[LabelledMessage] = read_labelled(files, split="train")
        self.normalized = Normalizer().normalize_batch([message.text for message in self.messages])
        self.targets = targets_of(self.messages)
        self.folds = folds_of(self.messages, 5, 0)
        self.fair = np.array([not m.trade and "likely" not in (m.draw or "") for m in self.messages])
        self.own = np.array([bool(m.trade) for m in self.messages])
        self.sources = np.array(["" if m.trade else m.source or "" for m in self.messages])

    def shop(self, recipe: Recipe) -> Workshop:
        """Return base, heads and tokenizer for a training."""
        tuning = FitOptions(
            epochs=recipe.epochs,
            rate=6e-4,
            layer_decay=0.95,
            balance=recipe.balance,
            seed=recipe.seed,
            compiled=self.compiled,
        )
        options = EncoderOptions(layers=recipe.layers, tuning=tuning, device=self.device)
        return Workshop(self.base, options, self.work, progress=show_progress)

    def texts_of(self, rows: NDArray[np.int64], noise: float, seed: int) -> list[str]:
        """Return normalised messages, a share of them with noise."""
        texts = [self.normalized[i].text for i in rows.tolist()]
        return noisy(texts, noise, seed) if noise else texts

    def set_of(self, shop: Workshop, rows: NDArray[np.int64], recipe: Recipe) -> TokenizedSet:
        """Return messages as pieces with what is known of them."""
        texts = self.texts_of(rows, recipe.noise, recipe.seed)
        pieces = pieces_of(shop.tokenizer, texts, shop.options.max_tokens)
        values = np.zeros((len(rows), shop.width), dtype=np.float32)
        known = np.zeros(values.shape, dtype=bool)
        width = self.targets.values.shape[1]
        values[:, :width], known[:, :width] = self.targets.values[rows], self.targets.known[rows]
        return TokenizedSet(pieces, values, known, np.ones(len(rows), dtype=np.float32))

    def run(self, recipe: Recipe) -> dict[str, dict[str, float]]:
        """Return the average precision by test and task, measured now or kept from before."""
        name = "-".join(f"{key}={value}" for key, value in asdict(recipe).items())
        kept = self.work / f"{name}.json"
        if kept.is_file():
            found: dict[str, dict[str, float]] = json.loads(kept.read_text(encoding="utf-8"))
            return found
        shop = self.shop(recipe)
        out = self.sources == recipe.out if recipe.out else self.folds == 0
        rows = np.random.default_rng(recipe.seed).permutation(np.flatnonzero(~out))[: recipe.messages]
        answer = self.linear(recipe, rows) if recipe.model == "linear" else self.encoder(shop, recipe, rows)
        tests = {recipe.out: (out & self.fair, 0.0)} if recipe.out else {}
        if not recipe.out:
            tests = {"real": (out & self.fair, 0.0), "own": (out & self.own, 0.0), "noisy": (out & self.fair, 1.0)}
        figures = {}
        for title, (chosen, noise) in tests.items():
            test = np.flatnonzero(chosen)
            logits = answer(self.texts_of(test, noise, 1))
            figures[title] = precisions(logits, self.targets.values[test], self.targets.known[test])
        kept.write_text(json.dumps(figures), encoding="utf-8")
        torch.compiler.reset()  # what was compiled for this network would stay
        return figures

    def encoder(self, shop: Workshop, recipe: Recipe, rows: NDArray[np.int64]) -> Answer:
        """Train an encoder on the messages ``rows``."""
        network = self.start(shop, recipe)
        data = self.set_of(shop, rows, recipe)
        probe(network, data, padding=shop.padding, seed=recipe.seed, device=self.device)
        options = shop.options.tuning
        fit(network, data, options, padding=shop.padding, progress=show_progress, device=self.device)

        def answer(texts: list[str]) -> NDArray[np.float32]:
            pieces = pieces_of(shop.tokenizer, texts, shop.options.max_tokens)
            nothing = np.zeros((len(texts), 1), dtype=np.float32)
            test = TokenizedSet(pieces, nothing, nothing > 0, nothing[:, 0])
            return predict_logits(network, test, padding=shop.padding, device=self.device)

        return answer

    def linear(self, recipe: Recipe, rows: NDArray[np.int64]) -> Answer:
        """Train the linear model on the messages ``rows``."""
        chosen = rows.tolist()
        options = LinearOptions(folds=2, seed=recipe.seed)
        known = [self.normalized[i] for i in chosen]
        model = fit_linear([self.messages[i] for i in chosen], options, normalized=known)
        return lambda texts: model.margins(Normalizer().normalize_batch(texts))

    def start(self, shop: Workshop, recipe: Recipe) -> MultiTaskEncoder:
        """Return the network before it sees a label."""
        network = shop.network()
        if recipe.pretrain:
            kept = self.work / f"pretrained-{recipe.pretrain}-{recipe.layers}.safetensors"
            if not kept.is_file():
                texts = read_texts(self.corpus, recipe.pretrain, frozenset(m.text for m in self.messages))
                pretrain(network, shop, [m.text for m in Normalizer().normalize_batch(texts)])
                store(network, kept)
            restore(network, kept)
        return network


def pretrain(network: MultiTaskEncoder, shop: Workshop, texts: list[str]) -> None:
    """Train the encoder to guess masked pieces (Devlin et al. 2019; in-domain: Gururangan et al. 2020)."""
    device, chance = shop.options.device, np.random.default_rng(0)
    pieces = pieces_of(shop.tokenizer, texts, shop.options.warm_up_tokens)
    nothing = np.zeros((len(pieces), 1), dtype=np.float32)
    data = TokenizedSet(pieces, nothing, nothing > 0, nothing[:, 0])
    backbone: Any = network.to(device).backbone
    table, size = backbone.embeddings.word_embeddings.weight, backbone.config.hidden_size
    head = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.LayerNorm(size)).to(device)
    bias = nn.Parameter(torch.zeros(len(table), device=device))
    parameters = [*backbone.parameters(), *head.parameters(), bias]
    optimizer = torch.optim.AdamW(parameters, lr=5e-4, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    plan = batch_rows(np.array([len(piece) for piece in pieces]), 4096, chance)
    forward: Any = torch.compile(backbone, dynamic=True) if shop.options.tuning.compiled else backbone
    network.train()
    running = 0.0
    for step, rows in enumerate(plan, 1):
        optimizer.param_groups[0]["lr"] = 5e-4 * min(step / 50, (len(plan) - step + 1) / len(plan))
        batch = make_batch(data, rows, shop.padding)
        ids, mask = batch.input_ids.to(device), batch.attention_mask.to(device)
        special = torch.tensor(shop.tokenizer.all_special_ids, device=device)
        hidden = (torch.rand(ids.shape, device=device) < MASKED) & ~torch.isin(ids, special)
        draw = torch.rand(ids.shape, device=device)
        shown = torch.where(hidden & (draw < 0.8), shop.tokenizer.mask_token_id, ids)
        shown = torch.where(hidden & (draw > 0.9), torch.randint_like(ids, 5, len(table) - 1), shown)
        with torch.autocast(device, dtype=torch.bfloat16):
            vectors = forward(input_ids=shown, attention_mask=mask).last_hidden_state[hidden]
            logits = nn.functional.linear(head(vectors), table, bias)
        loss = nn.functional.cross_entropy(logits.float(), ids[hidden])
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running = 0.98 * running + 0.02 * float(loss.detach()) if running else float(loss.detach())
        show_progress(f"masked pieces, loss {running:.3f}", step, len(plan))


def precisions(logits: NDArray[np.float32], values: NDArray[np.float32], known: NDArray[np.bool_]) -> dict[str, float]:
    """Return by task the average precision, mean over the values that occur."""
    figures = {}
    for name in SHOWN:
        columns, found = head_slices()[name], []
        for column in range(columns.start, columns.start + len(HEADS[name])):
            right = values[known[:, column], column] > 0.5
            if LEAST <= right.sum() < len(right):
                found.append(average_precision_score(right, logits[known[:, column], column]))
        figures[name] = float(np.mean(found)) if found else float("nan")
    return figures


_last = [0.0]


def show_progress(stage: str, done: int, total: int) -> None:
    if done == total or time.monotonic() - _last[0] > 30:
        _last[0] = time.monotonic()
        print(f"  {stage}: {done:,} of {total:,}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("out/recipe"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler; faster after some minutes")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments.base, arguments.data, arguments.work, arguments.device, compiled=arguments.compile)
    print("".ljust(44), *(name[:11].rjust(11) for name in SHOWN))
    for text in arguments.recipes:
        recipe = Recipe.parse(text)
        every = (
            sorted({source for source in bench.sources.tolist() if source}) if recipe.out == "each" else [recipe.out]
        )
        rows: dict[str, list[list[float]]] = {}
        for source in every:
            for test, figures in bench.run(replace(recipe, out=source)).items():
                row = [figures[name] for name in SHOWN]
                print(f"{text[:32]:32} {test:11}", *(f"{value:11.3f}" for value in row), flush=True)
                rows.setdefault("" if recipe.out else test, []).append(row)
        for test, several in rows.items():
            if len(several) > 1:
                mean = np.nanmean(several, axis=0)
                print(f"{text[:32]:32} {'mean' + test:11}", *(f"{value:11.3f}" for value in mean), flush=True)


if __name__ == "__main__":
    main()
