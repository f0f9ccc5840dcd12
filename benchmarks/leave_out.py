"""How the linear model does on real messages of a source it has not seen.

    python benchmarks/leave_out.py --data train.jsonl --data data/messages.jsonl

For every source of the data one model is trained without it and asked about it. Prints macro-F1 (mean over the values
that occur) per task, and the mean over the sources. Takes about two minutes each. (Whole trades left out: `make train`
prints that, as "out of fold, trades left out".)
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from complaint_nlp.evaluation import evaluate_labels
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.train.linear import LinearOptions, fit_linear, normalize_all
from complaint_nlp.train.run import decide_margins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.text import NormalizedText

DRAW_WEIGHTS = (("*likely*", 0), ("*random*", 3), ("*enriched*", 3))  # as in `make train`
SHOWN = ("intent", "category", "subcategory", "urgency", "emotion_primary", "needs", "demands")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--folds", type=int, default=2, help="inside each training")
    arguments = parser.parse_args()
    messages = read_labelled(arguments.data)
    normalized = normalize_all(messages)
    print("left out".ljust(24), "messages", *(name[:12].rjust(12) for name in SHOWN))
    sources = sorted({message.source for message in messages if message.source and not message.trade})
    figures = []
    for source in sources:
        held = np.array([message.source == source and not message.trade for message in messages])
        figures.append(measure(source, messages, normalized, held, arguments.folds))
    print("mean over sources".ljust(33), *(f"{value:12.3f}" for value in np.nanmean(figures, axis=0)))


def measure(
    title: str, messages: list[LabelledMessage], normalized: list[NormalizedText], held: NDArray[np.bool_], folds: int
) -> list[float]:
    rest = np.flatnonzero(~held).tolist()
    kept = np.flatnonzero(held).tolist()
    model = fit_linear(
        [messages[i] for i in rest],
        LinearOptions(folds=folds, draw_weights=DRAW_WEIGHTS),
        normalized=[normalized[i] for i in rest],
    )
    answers = decide_margins(model.margins([normalized[i] for i in kept]), model.thresholds)
    result = evaluate_labels(answers, [messages[i].labels for i in kept])
    row = [result.tasks[name].macro_f1 for name in SHOWN]
    print(title.ljust(24), f"{len(kept):8,d}", *(f"{value:12.3f}" for value in row), flush=True)
    return row


if __name__ == "__main__":
    main()
