"""Which values were taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.evaluation.answers import TaskAnswers

NONE: Final = "(none)"


def confusion_table(answers: TaskAnswers) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """Return the names of the rows (true) and columns (answered), and the counts; see :meth:`Evaluation.confusion`."""
    values = list(answers.task.values)
    if answers.task.is_multilabel:
        counts = _sets(answers.truth, answers.answer)
    else:
        codes = np.arange(len(values) + 1)  # the last one: no answer
        given = np.where(answers.first < 0, len(values), answers.first)
        counts = confusion_matrix(answers.true_first, given, labels=codes)
    rows, columns = [*values, NONE], [*values, NONE]
    # nobody needs an empty row or column for "none"
    if not counts[-1].any():
        rows, counts = rows[:-1], counts[:-1]
    if not counts[:, -1].any():
        columns, counts = columns[:-1], counts[:, :-1]
    return rows, columns, counts


def _sets(truth: NDArray[np.bool_], answer: NDArray[np.bool_]) -> NDArray[np.int64]:
    missed, added = truth & ~answer, answer & ~truth
    counts = np.zeros((truth.shape[1] + 1, truth.shape[1] + 1), dtype=np.int64)
    counts[:-1, :-1] = missed.T.astype(np.int64) @ added.astype(np.int64)  # its diagonal is 0
    counts[:-1, :-1] += np.diag((truth & answer).sum(axis=0))
    counts[:-1, -1] = missed[~added.any(axis=1)].sum(axis=0)
    counts[-1, :-1] = added[~missed.any(axis=1)].sum(axis=0)
    return counts


def value_counts(answers: TaskAnswers) -> list[dict[str, Any]]:
    """Return the 2 x 2 table of every value."""
    tables = multilabel_confusion_matrix(answers.truth.astype("int8"), answers.answer.astype("int8"))
    return [
        {"value": value, "tn": int(table[0, 0]), "fp": int(table[0, 1]), "fn": int(table[1, 0]), "tp": int(table[1, 1])}
        for value, table in zip(answers.task.values, tables, strict=True)
    ]
