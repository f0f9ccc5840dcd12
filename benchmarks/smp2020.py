"""The encoder on a public test: SMP2020-EWECT, six emotions of Weibo posts, fine-tuned on its training set.

    python benchmarks/smp2020.py --base ../shared/models/e5-small-zh --data ../shared/data [--start WARM_UP.safetensors]

Prints accuracy and macro-F1 on the *usual* development set; BERT-base-chinese is published at macro-F1 .739 on the test
set. ``--start`` goes on from the warm-up of `complaint-nlp train --model encoder` (in its work folder).
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from complaint_nlp.text import Normalizer
from complaint_nlp.train.encoder.batches import TokenizedSet, joined, pieces_of
from complaint_nlp.train.encoder.fit import FitOptions, fit, predict_logits, probe
from complaint_nlp.train.encoder.stages import OUTPUTS, EncoderOptions, Workshop, restore

HEAD = "smp2020"
TRAIN = ("smp2020_usual_train", "smp2020_virus_train")
DEV = "smp2020_usual_dev"


def read(folder: Path, name: str, shop: Workshop) -> TokenizedSet:
    """Return a set with only the head of this test known."""
    with gzip.open(folder / "emotion" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    values = list(shop.sets.heads[HEAD].values)
    start = OUTPUTS
    for head, definition in shop.sets.heads.items():
        if head == HEAD:
            break
        start += len(definition.values)
    targets = np.zeros((len(records), shop.width), dtype=np.float32)
    known = np.zeros(targets.shape, dtype=bool)
    known[:, start : start + len(values)] = True
    for row, record in enumerate(records):
        targets[row, start + values.index(record["label"])] = 1.0
    texts = [message.text for message in Normalizer().normalize_batch([record["text"] for record in records])]
    weights = np.ones(len(records), dtype=np.float32)
    return TokenizedSet(pieces_of(shop.tokenizer, texts, 128), targets, known, weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--limit", type=int, default=0, help="training texts; 0 for all")
    parser.add_argument("--start", type=Path)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(arguments.base, EncoderOptions(layers=arguments.layers, device=arguments.device), Path(folder))
        network = shop.network()
        if arguments.start:
            restore(network, arguments.start)
        train = joined([read(arguments.data, name, shop) for name in TRAIN])
        if arguments.limit:
            train = train.subset(np.random.default_rng(0).permutation(len(train))[: arguments.limit])
        dev = read(arguments.data, DEV, shop)
        began = time.monotonic()
        probe(network, train, padding=shop.padding, device=arguments.device)
        options = FitOptions(epochs=arguments.epochs, rate=arguments.rate, balance=0.0)
        fit(network, train, options, padding=shop.padding, device=arguments.device)
        columns = np.flatnonzero(dev.known[0])
        logits = predict_logits(network, dev, padding=shop.padding, device=arguments.device)[:, columns]
        truth = dev.values[:, columns].argmax(axis=1)
        answer = logits.argmax(axis=1)
        print(
            f"{len(train):,} training texts, {arguments.epochs} epochs, {time.monotonic() - began:.0f} s: "
            f"accuracy {accuracy_score(truth, answer):.4f}, macro-F1 {f1_score(truth, answer, average='macro'):.4f} "
            f"on {len(dev):,} texts of the usual development set"
        )


if __name__ == "__main__":
    main()
