"""The networks whose mean is shipped, one by one: how much training by itself moves the figures.

    python benchmarks/seeds.py --base BASE --work out/train --test dev.jsonl --test data/messages.jsonl

Every network that `complaint-nlp train --model encoder --folds N` left in its work folder (another order of messages,
another dropout, another fifth left out) takes the place of the encoder in the bundle, whose blend and thresholds stay,
and answers the test files at `accurate`. Prints macro-F1 per task (kappa as well for urgency), their mean and standard
deviation, and the bundle itself.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from complaint_nlp import Analyzer
from complaint_nlp.classify.bundle import open_bundle, write_bundle
from complaint_nlp.classify.encoder import MODEL
from complaint_nlp.evaluation import evaluate
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.train.encoder.export import export_onnx
from complaint_nlp.train.encoder.stages import OUTPUTS, EncoderOptions, Workshop, restore

SHOWN = ("intent", "category", "subcategory", "urgency", "emotion_primary", "intensity", "needs", "demands")


def figures(model: Path, messages: list[LabelledMessage]) -> list[float]:
    tasks = evaluate(Analyzer.load(model, speed="accurate"), messages).tasks
    return [*(tasks[name].macro_f1 for name in SHOWN), tasks["urgency"].kappa or 0.0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bundle", default="models/default")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--test", action="append", required=True)
    arguments = parser.parse_args()
    tests = {test: read_labelled(test, split="test") for test in arguments.test}
    bundle = open_bundle(arguments.bundle)
    files = {name: bundle.listed(name).read_bytes() for name in bundle.manifest.files if name != "labels.json"}
    with tempfile.TemporaryDirectory() as name:
        shop = Workshop(arguments.base, EncoderOptions(layers=arguments.layers), Path(name) / "work")
        models = []
        for path in sorted(arguments.work.glob("without_fold_?.safetensors")):
            network = shop.network()
            restore(network, path)
            target = Path(name) / path.stem
            content = {**files, MODEL: export_onnx(network, OUTPUTS)}
            components = bundle.manifest.components
            write_bundle(target, name=path.stem, trained_with="", components=components, files=content)
            models.append(target)
        for test, messages in tests.items():
            print(test.ljust(28), *(task[:11].rjust(11) for task in (*SHOWN, "kappa")))
            rows = np.array([figures(model, messages) for model in models])
            for model, row in zip(models, rows, strict=True):
                print(model.name.ljust(28), *(f"{value:11.3f}" for value in row))
            print("mean".ljust(28), *(f"{value:11.3f}" for value in rows.mean(axis=0)))
            print("standard deviation".ljust(28), *(f"{value:11.3f}" for value in rows.std(axis=0, ddof=1)))
            print("bundle".ljust(28), *(f"{value:11.3f}" for value in figures(bundle.path, messages)), flush=True)


if __name__ == "__main__":
    main()
