"""Random labels, answers and reports for the tests of evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from complaint_nlp import TASKS
from complaint_nlp.labelled import LabelledMessage
from complaint_nlp.report import Decision, LabelResult, Report, Span, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

Labels = tuple[str, ...]
DECISIONS = tuple(Decision)
WORDS = ("手機", "坏了", "客服", "沒人理", "退款", "电梯")


def random_labels(
    seed: int, count: int, *, like: Sequence[dict[str, Labels]] = (), keep: float = 0.7
) -> list[dict[str, Labels]]:
    """Return labels of all tasks; with ``like`` each task's are those given with probability ``keep``."""
    generator = np.random.default_rng(seed)
    found = []
    for row in range(count):
        labels: dict[str, Labels] = {}
        for name, task in TASKS.items():
            if like and generator.random() < keep:
                labels[name] = like[row][name]
                continue
            least = 0 if task.kind == "multilabel" else 1
            size = int(generator.integers(least, 3)) if task.is_multilabel else 1
            labels[name] = tuple(str(value) for value in generator.choice(task.values, max(size, least), replace=False))
        found.append(labels)
    return found


def messages_of(labels: Sequence[dict[str, Labels]], **notes: Sequence[str]) -> list[LabelledMessage]:
    """Return messages in both scripts with these labels; ``notes`` are source, trade and draw."""
    found = []
    for row, one in enumerate(labels):
        text = f"第{row}則：這支手機壞了，沒有人處理" if row % 2 else f"第{row}条：这部手机坏了，没有人处理"
        found.append(LabelledMessage(f"m{row}", text, one, **{key: values[row] for key, values in notes.items()}))
    return found


def reports_of(
    messages: Sequence[LabelledMessage], answers: Sequence[dict[str, Labels]], confidence: dict[str, Sequence[float]]
) -> list[Report]:
    """Return reports with these answers; where no confidence is given it is a half."""
    reports = []
    for row, (message, answer) in enumerate(zip(messages, answers, strict=True)):
        results: dict[str, Any] = {}
        for name, task in TASKS.items():
            sure = float(confidence[name][row]) if name in confidence else 0.5
            scores = {value: (sure if value in answer[name] else 1 - sure) for value in task.values}
            evidence = (Span(4, 8, message.text[4:8], 0.9),)
            decision = DECISIONS[0 if sure > 0.8 else 1 if sure > 0.4 else 2]
            results[name] = LabelResult(answer[name], scores, sure, decision, evidence)
        reports.append(Report(message.text, Status.OK, "mixed", None, **results))
    return reports
