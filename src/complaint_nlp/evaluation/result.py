"""What an evaluation returns: figures, and on request everything that stands behind them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.bootstrap import Interval, intervals
from complaint_nlp.evaluation.calibration import Calibration, calibrate, coverage_curve, decision_points
from complaint_nlp.evaluation.confusion import confusion_table, value_counts
from complaint_nlp.evaluation.frames import frame, matrix
from complaint_nlp.evaluation.mistakes import MISTAKE_COLUMNS, mistakes
from complaint_nlp.evaluation.slices import STANDARD, By, Slice, SliceOptions, groups_of, slices_of, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from complaint_nlp.evaluation.answers import Answers, TaskAnswers
    from complaint_nlp.evaluation.calibration import Strategy
    from complaint_nlp.evaluation.plot import Plots
    from complaint_nlp.evaluation.scores import TaskScore
    from complaint_nlp.labels import Language

_VALUE: Final = ["task", "value", "precision", "recall", "f1", "support"]
_INTERVAL: Final = list(Interval.__dataclass_fields__)
_SLICE: Final = list(Slice.__dataclass_fields__)
_COVERAGE: Final = ["confidence", "coverage", "accuracy"]
_DECISIONS: Final = ["decision", "messages", "share", "accuracy", "coverage", "accuracy_so_far"]
_SUMMARY: Final = ["messages", "macro_f1", "micro_f1", "weighted_f1", "exact_match", "kappa"]
_CONFIDENT: Final = ["ece", "brier", "auto_share", "auto_accuracy"]


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """Figures of a model on labelled messages.

    Methods that return a data frame need pandas, those that draw matplotlib: ``pip install 'complaint-nlp[viz]'``.

    Attributes:
        messages: how many there were.
        not_analysed: how many of them got no answer (their status was not ``ok``); they count as answered with nothing.
        tasks: by task name; ``emotion`` counts all emotions of a message, ``emotion_primary`` the first one.
        answers: what the figures were counted from, message by message.
    """

    messages: int
    not_analysed: int
    tasks: Mapping[str, TaskScore]
    answers: Answers | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}: {score.macro_f1:.3f}" for name, score in self.tasks.items())
        return f"Evaluation({self.messages:,} messages, {self.not_analysed:,} not analysed; macro-F1 {figures})"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain dicts and numbers."""
        tasks = {name: asdict(score) for name, score in self.tasks.items()}
        return {"messages": self.messages, "not_analysed": self.not_analysed, "tasks": tasks}

    def require_answers(self) -> Answers:
        """Return what the figures were counted from.

        Raises:
            DataError: the evaluation was put together from figures alone.
        """
        if self.answers is None:
            msg = "this evaluation holds figures alone; use evaluate() or evaluate_labels()"
            raise DataError(msg)
        return self.answers

    def task_answers(self, task: str) -> TaskAnswers:
        """Return answer and reference of one task, message by message.

        Raises:
            DataError: the task was not evaluated.
        """
        tasks = self.require_answers().tasks
        if task not in tasks:
            msg = f"task {task!r} was not evaluated; there are {', '.join(tasks)}"
            raise DataError(msg)
        return tasks[task]

    def to_frame(self, task: str | None = None) -> pd.DataFrame:
        """Return precision, recall, F1 (0 to 1) and support: one row per task and value, or, by value, those of a task.

        Raises:
            DataError: the task was not evaluated.
            ConfigError: pandas is not installed.
        """
        if task is not None:
            self.task_answers(task)
        rows = [
            {"task": name, "value": value, **asdict(figures)}
            for name, score in self.tasks.items()
            if task in (None, name)
            for value, figures in score.values.items()  # noqa: PD011 - a score's
        ]
        return frame(rows, _VALUE) if task is None else frame(rows, _VALUE[1:], "value")

    def summary(self) -> pd.DataFrame:
        """Return one row per task.

        The columns are ``messages``, ``macro_f1``, ``micro_f1``, ``weighted_f1``, ``exact_match``, ``kappa`` (NaN where
        there is no scale) and, where confidences are known, ``ece`` (10 bins of equal width), ``brier``, ``auto_share``
        (share of messages decided ``auto``) and ``auto_accuracy``.

        Raises:
            ConfigError: pandas is not installed.
        """
        rows = self.summary_rows()
        known = any(_CONFIDENT[0] in row for row in rows)
        table = frame(rows, ["task", *_SUMMARY, *(_CONFIDENT if known else [])], "task")
        return table.astype(dict.fromkeys(table.columns[1:], float))

    def summary_rows(self) -> list[dict[str, Any]]:
        """Return the rows of :meth:`summary` as plain dicts; what is not known is no key, or ``None``."""
        rows = []
        for name, score in self.tasks.items():
            row = {"task": name, **{column: getattr(score, column) for column in _SUMMARY}}
            task = None if self.answers is None else self.answers.tasks[name]
            if task is not None and task.confidence is not None and bool((task.analysed).any()):
                calibration = self.calibration(name)
                row |= {"ece": calibration.ece, "brier": calibration.brier}
            if task is not None and task.decision is not None:
                auto = self.decision_points(name)[0]
                row |= {"auto_share": auto.share, "auto_accuracy": auto.accuracy}
            rows.append(row)
        return rows

    # --- what was taken for what

    def confusion(self, task: str) -> pd.DataFrame:
        """Return true values (rows) against answered ones (columns), in messages.

        With one value per message this is the confusion matrix. With label sets the diagonal counts messages in which
        the value is true and answered; beside it stand messages in which the row's value is true but was missed and
        the column's was answered but is not true. A missed value with nothing wrongly answered counts in the column
        ``(none)``, a wrongly answered one with nothing missed in the row ``(none)``.

        Raises:
            DataError: the task was not evaluated.
            ConfigError: pandas is not installed.
        """
        rows, columns, counts = confusion_table(self.task_answers(task))
        return matrix(counts, rows, columns)

    def confusion_by_value(self, task: str) -> pd.DataFrame:
        """Return by value in how many messages it is rightly missing (tn), wrongly given (fp), missed (fn), hit (tp).

        Raises:
            DataError: the task was not evaluated.
            ConfigError: pandas is not installed.
        """
        return frame(value_counts(self.task_answers(task)), ["value", "tn", "fp", "fn", "tp"], "value")

    def errors(self, task: str, n: int = 20, *, mask: bool = False) -> pd.DataFrame:
        """Return the worst confident mistakes.

        First those in which the answer is wrong whose probability the confidence is (the primary one), then those that
        are wrong in further values only; the most confident first, those without a confidence last.

        Args:
            task: the task.
            n: how many at most.
            mask: hide personal data in the messages and the evidence.

        Returns:
            One row per message: ``id``, ``text``, ``true`` and ``predicted`` (values joined by ``|``, the primary one
            first), ``confidence``, ``decision`` and ``evidence`` (words, joined by ``|``).

        Raises:
            DataError: the task was not evaluated, or the messages are not known.
            ValueError: ``n`` is negative.
            ConfigError: pandas is not installed.
        """
        return frame(self.mistakes(task, n, mask=mask), list(MISTAKE_COLUMNS))

    def mistakes(self, task: str, n: int = 20, *, mask: bool = False) -> list[dict[str, Any]]:
        """Return the rows of :meth:`errors` as plain dicts."""
        return mistakes(self.require_answers(), self.task_answers(task), n, mask=mask)

    # --- confidence

    def calibration(
        self, task: str, value: str | None = None, *, n_bins: int = 10, strategy: Strategy = "uniform"
    ) -> Calibration:
        """Return how far probabilities are from what came true.

        Without ``value`` the probability is the confidence of the answer, and what has to come true is that the primary
        value is right (for label sets: applies, or, where nothing was answered, that nothing does). With it the
        probability is that of the value, and what has to come true is that it applies.

        Args:
            task: the task.
            value: one of its values.
            n_bins: bins of the reliability curve and of the expected calibration error, 1 to 1,000.
            strategy: ``uniform``: bins of equal width; ``quantile``: about as many answers in each.

        Raises:
            DataError: the task was not evaluated, or its probabilities are not known; the message says why.
            ValueError: there is no such value or strategy, or ``n_bins`` is out of its range.
        """
        return calibrate(self.task_answers(task), value, n_bins, strategy, self.require_answers().why_not)

    def coverage(self, task: str) -> pd.DataFrame:
        """Return what comes of using only answers of at least some confidence: confidence, coverage, accuracy.

        One row per confidence that occurs, from the surest answer to all of them. ``accuracy`` is the share of the
        answers that are right in the sense of :meth:`calibration`.

        Raises:
            DataError: the task was not evaluated, or its confidences are not known.
            ConfigError: pandas is not installed.
        """
        points = coverage_curve(self.task_answers(task), self.require_answers().why_not)
        return frame(map(asdict, points), _COVERAGE)

    def decisions(self, task: str) -> pd.DataFrame:
        """Return where auto, suggest and review stand on the way from few sure answers to all of them.

        One row per decision: ``messages``, ``share`` and ``accuracy`` of its own, then ``coverage`` and
        ``accuracy_so_far`` of it together with the surer ones. Thresholds differ from value to value, so the points
        need not lie on the curve of :meth:`coverage`.

        Raises:
            DataError: the task was not evaluated, or its decisions are not known.
            ConfigError: pandas is not installed.
        """
        return frame(map(asdict, self.decision_points(task)), _DECISIONS, "decision")

    def decision_points(self, task: str) -> list[Any]:
        """Return the rows of :meth:`decisions` as dataclasses."""
        return list(decision_points(self.task_answers(task), self.require_answers().why_not))

    # --- chance and parts

    def intervals(
        self, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0, by_value: bool = False
    ) -> pd.DataFrame:
        """Return bootstrap intervals: one row per task and figure with ``estimate``, ``low`` and ``high``.

        Args:
            n_resamples: samples drawn with replacement from the messages, 1 to 100,000.
            level: share of them in which the figure lies between ``low`` and ``high`` (percentile method).
            seed: of the draws.
            by_value: precision, recall and F1 of every value as well.

        Raises:
            ValueError: ``n_resamples`` or ``level`` is out of its range.
            ConfigError: pandas is not installed.
        """
        options: dict[str, Any] = {"n_resamples": n_resamples, "level": level, "seed": seed, "by_value": by_value}
        return frame(map(asdict, self.interval_rows(**options)), _INTERVAL)

    def interval_rows(self, **options: Any) -> list[Interval]:  # noqa: ANN401 - those of intervals()
        """Return the rows of :meth:`intervals` as dataclasses."""
        return intervals(self.require_answers().tasks, self.messages, **options)

    def slices(self, by: By, task: str | None = None, **options: Any) -> pd.DataFrame:  # noqa: ANN401
        """Return the figure of every part of the messages, beside that of the rest, the lowest first.

        Args:
            by: ``script``, ``region``, ``length`` (in characters), any column of the data (``source``, ``trade``,
                ``draw``, ...), a function of the message's text, or one value per message.
            task: only this task.
            options: the attributes of :class:`~complaint_nlp.evaluation.slices.SliceOptions`: ``figure`` (``micro_f1``,
                ``macro_f1``, ``weighted_f1``, ``exact_match``), ``min_messages`` (30; smaller parts are left out),
                ``n_resamples``, ``level``, ``seed``.

        Returns:
            The columns are the attributes of :class:`~complaint_nlp.evaluation.Slice`.

        Raises:
            DataError: there is no such task or column, or there are more than 200 parts.
            ValueError: an option is out of its range.
            ConfigError: pandas is not installed.
        """
        return frame(map(asdict, self.slice_rows(by, task, **options)), _SLICE)

    def slice_rows(self, by: By, task: str | None = None, **options: Any) -> list[Slice]:  # noqa: ANN401
        """Return the rows of :meth:`slices` as dataclasses."""
        answers = self.require_answers()
        tasks = answers.tasks if task is None else {task: self.task_answers(task)}
        name, groups = groups_of(answers, self.messages, by)
        return slices_of(tasks, self.messages, name, groups, SliceOptions(**options))

    def worst_slices(
        self,
        by: By | None = None,
        task: str | None = None,
        *,
        n: int = 10,
        alpha: float = 0.05,
        **options: Any,  # noqa: ANN401
    ) -> pd.DataFrame:
        """Return the parts that are worse than the rest by more than chance, the largest difference first.

        All parts that have enough messages are tested (one-sided), and the p-values adjusted for their number
        (Benjamini and Hochberg), so that among many parts none is named by chance alone. It may well be empty.

        Args:
            by: as in :meth:`slices`; script, region, source, trade, draw and length when ``None``.
            task: only this task.
            n: how many at most.
            alpha: share of falsely named parts that is accepted.
            options: as in :meth:`slices`.

        Returns:
            The columns of :meth:`slices`; ``p_value`` is the adjusted one.

        Raises:
            DataError, ValueError, ConfigError: as :meth:`slices`.
        """
        return frame(map(asdict, self.worst_rows(by, task, alpha=alpha, **options)[:n]), _SLICE)

    def worst_rows(
        self,
        by: By | None = None,
        task: str | None = None,
        *,
        alpha: float = 0.05,
        **options: Any,  # noqa: ANN401
    ) -> list[Slice]:
        """Return the rows of :meth:`worst_slices`, all of them, as dataclasses."""
        divisions: Sequence[By] = self.standard_slices() if by is None else [by]
        found = [one for division in divisions for one in self.slice_rows(division, task, **options)]
        return worst(found, alpha)

    def standard_slices(self) -> list[str]:
        """Return those of script, region, source, trade, draw and length that this data can be divided by."""
        answers = self.require_answers()
        if answers.messages is None or answers.columns is None:
            return []
        known = {"script", "region", "length", *answers.columns.names()}
        return [name for name in STANDARD if name in known]

    # --- for people

    @property
    def plot(self) -> Plots:
        """Charts, as matplotlib's Axes: ``.confusion()``, ``.reliability()``, ``.coverage()``, ``.slices()``."""
        from complaint_nlp.evaluation.plot import Plots

        return Plots(self)

    def to_html(
        self,
        path: str | Path | None = None,
        *,
        title: str | None = None,
        language: Language = "zh-Hant",
        errors: int = 5,
        mask: bool = True,
    ) -> str:
        """Return all of it as one HTML page that needs no network; with ``path`` it is written there as well.

        Args:
            path: file to write, whole or not at all.
            title: of the page.
            language: of its words and of the labels: ``zh-Hant``, ``zh-Hans`` or ``en``.
            errors: how many of the worst confident mistakes of every task are shown.
            mask: hide personal data in them.

        Raises:
            DataError: the evaluation holds figures alone, or the file cannot be written.
            ConfigError: matplotlib is not installed.
        """
        from complaint_nlp.evaluation.page import check_target, evaluation_page, write_page

        if path is not None:
            check_target(path)
        page = evaluation_page(self, title=title, language=language, errors=errors, mask=mask)
        if path is not None:
            write_page(path, page)
        return page

    def _repr_html_(self) -> str:
        """Return an HTML fragment for notebooks: one row per task."""
        from complaint_nlp.evaluation.page import summary_fragment

        return summary_fragment(self)
