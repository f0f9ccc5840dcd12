"""Labels by people that are likely wrong, found by cleanlab."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_nlp.review.scoring import Scored

_MIN_ROWS: Final = 20
"""Fewer labelled messages tell nothing about how sure the model is when it is right."""


def label_errors(scored: Scored, tasks: Sequence[str]) -> tuple[dict[int, dict[str, float]], tuple[str, ...]]:
    """Return by row and task how doubtful the labels of people are, 0 to 1, and what could not be done.

    The model's probabilities stand for what its labels would be; they say most about messages it was not trained on.
    For emotions the first one is looked at.

    Args:
        scored: messages, some of them labelled by people.
        tasks: which tasks to look at.
    """
    labelled = {
        task: [number for number, row in enumerate(scored.rows) if task in row.human]
        for task in tasks
        if task in scored.probabilities
    }
    labelled = {task: rows for task, rows in labelled.items() if len(rows) >= _MIN_ROWS}
    if not labelled:
        return {}, ()
    try:
        from cleanlab import filter as single
        from cleanlab.multilabel_classification import filter as several
        from cleanlab.multilabel_classification.rank import get_label_quality_scores as several_quality
        from cleanlab.rank import get_label_quality_scores as single_quality
    except ImportError as error:
        advice = f"likely label errors were not looked for: pip install 'complaint-nlp[review]' ({error})"
        return {}, (advice,)
    found: dict[int, dict[str, float]] = {}
    for task, rows in labelled.items():
        table = scored.probabilities[task][rows]
        index = {value: place for place, value in enumerate(TASKS[task].values)}
        given: list[Any] = [[index[value] for value in scored.rows[number].human[task]] for number in rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says about rare values is no news to a user
            if TASKS[task].is_multilabel and task != "emotion":
                doubted = several.find_label_issues(given, table, n_jobs=1)
                quality = several_quality(given, table)
            else:
                first = np.array([values[0] for values in given])
                table = table / table.sum(axis=1, keepdims=True)
                doubted = single.find_label_issues(first, table, n_jobs=1)
                quality = single_quality(first, table)
        for place in np.flatnonzero(doubted).tolist():
            found.setdefault(rows[place], {})[task] = 1.0 - float(quality[place])
    return found, ()
