"""Comparing a model's answers with reference labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from complaint_nlp.evaluation.answers import Answers, Predictions, line_up
from complaint_nlp.evaluation.data import Data, read_reference
from complaint_nlp.evaluation.predictions import from_analyzer, from_reports, from_table, is_labelled_table, of_tasks
from complaint_nlp.evaluation.result import Evaluation
from complaint_nlp.evaluation.scores import score_task
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.labels import Task
    from complaint_nlp.report import Report

__all__ = ["Evaluation", "evaluate", "evaluate_labels"]


def evaluate(
    model: Analyzer | Sequence[Report] | pd.DataFrame | pa.Table | str | Path,
    data: Data,
    *,
    split: str | None = None,
) -> Evaluation:
    """Compare a model's answers with reference labels.

    Args:
        model: an analyzer; or the reports it gave for ``data``, one per message in order; or a labelled table (pandas,
            Arrow, or a CSV, JSONL or Parquet file) with the flat columns that ``complaint-nlp label`` writes, its rows
            put to the messages by ``id`` where both have one, otherwise in the same order.
        data: JSONL, CSV or TSV file or files with labelled messages, or the messages themselves; or a data frame with
            ``text`` and a column per labelled task. There, a column of lists is read as in JSONL (missing: not
            labelled, empty list: labelled as none) and a column of texts as in CSV (values joined by ``|``, empty or
            missing: labelled as none where that is possible).
        split: only messages whose ``split`` is this, or that have none; all when ``None``.

    Raises:
        DataError: the data is wrong or empty, or the answers are not those to its messages.
    """
    reference = read_reference(data, split=split)
    messages = reference.messages
    given: Any = model
    if hasattr(given, "analyze_batch"):
        predicted = from_analyzer(given, messages)
    elif is_labelled_table(given):
        predicted = from_table(given, messages)
    else:
        predicted = from_reports(list(given), messages)
    answered = of_tasks(predicted)
    tasks = {name: task for name, task in TASKS.items() if name in answered}
    lined_up = line_up(predicted, [message.labels for message in messages], tasks)
    answers = Answers(lined_up, messages, reference.columns, predicted.evidence)
    return _evaluation(answers, len(messages), int((~predicted.analysed).sum()))


def evaluate_labels(
    predicted: Sequence[Mapping[str, tuple[str, ...]]],
    reference: Sequence[Mapping[str, tuple[str, ...]]],
    *,
    not_analysed: int = 0,
    tasks: Mapping[str, Task] = TASKS,
) -> Evaluation:
    """Compare label sets, one mapping from task to values (primary first) per message.

    A task that is missing from a reference is not counted for that message. The evaluation has no confidences, so
    neither calibration nor coverage, and no texts, so no errors to show.

    Args:
        predicted: the answers.
        reference: the labels.
        not_analysed: how many messages got no answer.
        tasks: the tasks to count; the standard ones unless told otherwise.

    Raises:
        DataError: a value is none of its task's.
    """
    given = Predictions(predicted, np.ones(len(predicted), dtype=np.bool_))
    answers = Answers(line_up(given, reference, tasks), why_not="the evaluation was made from labels alone")
    return _evaluation(answers, len(reference), not_analysed)


def _evaluation(answers: Answers, messages: int, not_analysed: int) -> Evaluation:
    scores = {name: score_task(task) for name, task in answers.tasks.items()}
    return Evaluation(messages, not_analysed, scores, answers)
