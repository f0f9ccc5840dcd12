"""Charts of an evaluation, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.answers import DECISIONS
from complaint_nlp.evaluation.calibration import coverage_curve
from complaint_nlp.evaluation.confusion import confusion_table
from complaint_nlp.evaluation.fonts import cjk_family
from complaint_nlp.evaluation.texts import slice_names, task_name, value_name, word
from complaint_nlp.optional import load_optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from complaint_nlp.evaluation.calibration import Strategy
    from complaint_nlp.evaluation.result import Evaluation
    from complaint_nlp.evaluation.slices import By
    from complaint_nlp.labels import Language

# from Okabe and Ito's palette, which colour-blind readers can tell apart
_BLUE: Final = "#0072B2"
_GREY: Final = "#767676"
_DECISION_COLOURS: Final = ("#009E73", "#E69F00", "#D55E00")
_LATIN: Final = "DejaVu Sans"  # comes with matplotlib
_DARK: Final = 0.55
_MAX_SHOWN: Final = 40
"""Slices in one chart; more could not be read."""


class Plots:
    """Charts of an evaluation; see :attr:`Evaluation.plot`.

    Every method takes ``ax`` (matplotlib's Axes to draw on; a new figure when ``None``) and ``language`` (of the
    labels: ``zh-Hant``, ``zh-Hans`` or ``en``), and returns the Axes. It raises
    :class:`~complaint_nlp.ConfigError` where matplotlib or a Chinese font is not installed, and
    :class:`~complaint_nlp.DataError` where the figures are not known.

    Args:
        evaluation: what is drawn.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    def confusion(self, task: str, *, ax: Axes | None = None, language: Language = "zh-Hant") -> Axes:
        """Draw :meth:`Evaluation.confusion`: counts, shaded by their share of the row."""
        rows, columns, counts = confusion_table(self._evaluation.task_answers(task))
        side = 1.8 + 0.5 * max(len(rows), len(columns), 4)
        axes = _axes(ax, (side + 0.8, side))
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > _DARK else "black"
                cell = axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
                cell.set_in_layout(False)  # it lies within the axes, and measuring hundreds of them takes a second
        names = [[value_name(task, value, language) for value in part] for part in (columns, rows)]
        slanted = max(map(len, names[0])) * len(columns) > 24  # noqa: PLR2004 - what fits beside one another
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
        axes.set_xticks(range(len(columns)), names[0], **turned)
        axes.set_yticks(range(len(rows)), names[1])
        axes.set_xlabel(word("predicted", language))
        axes.set_ylabel(word("true", language))
        axes.spines[:].set_visible(False)
        return _finished(axes, f"{task_name(task, language)} · {word('confusion', language)}", language)

    def reliability(
        self,
        task: str,
        value: str | None = None,
        *,
        n_bins: int = 10,
        strategy: Strategy = "uniform",
        ax: Axes | None = None,
        language: Language = "zh-Hant",
    ) -> Axes:
        """Draw :meth:`Evaluation.calibration`: accuracy against confidence; dots grow with their messages."""
        found = self._evaluation.calibration(task, value, n_bins=n_bins, strategy=strategy)
        axes = _axes(ax, (4.6, 4.4))
        confidence = [one.confidence for one in found.bins]
        accuracy = [one.accuracy for one in found.bins]
        sizes = [12 + 300 * one.messages / found.messages for one in found.bins]
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label=word("perfect", language))
        axes.plot(confidence, accuracy, color=_BLUE, linewidth=1, alpha=0.35)
        axes.scatter(confidence, accuracy, s=sizes, color=_BLUE, alpha=0.75, linewidths=0)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_xlabel(word("confidence", language))
        axes.set_ylabel(word("accuracy", language))
        figures = f"ECE {found.ece:.3f}\nBrier {found.brier:.3f}"
        axes.legend(loc="lower right", frameon=False, title=figures, alignment="right")
        name = task_name(task, language) + ("" if value is None else f"：{value_name(task, value, language)}")
        return _finished(axes, f"{name} · {word('reliability', language)}", language)

    def coverage(self, task: str, *, ax: Axes | None = None, language: Language = "zh-Hant") -> Axes:
        """Draw :meth:`Evaluation.coverage`, and where auto, suggest and review stand (:meth:`Evaluation.decisions`)."""
        evaluation = self._evaluation
        points = coverage_curve(evaluation.task_answers(task), evaluation.require_answers().why_not)
        axes = _axes(ax, (5.4, 4.0))
        accuracy = [point.accuracy for point in points]
        axes.plot([point.coverage for point in points], accuracy, color=_BLUE, linewidth=1.4)
        lowest = min(accuracy)
        if evaluation.task_answers(task).decision is not None:
            for decision, colour in zip(evaluation.decision_points(task), _DECISION_COLOURS, strict=True):
                if decision.accuracy_so_far is None:
                    continue
                label = f"{word(decision.decision, language)} {decision.share:.0%}"
                at = (decision.coverage, decision.accuracy_so_far)
                axes.scatter(*at, s=60, color=colour, label=label, zorder=3, clip_on=False)
                lowest = min(lowest, decision.accuracy_so_far)
            axes.legend(loc="lower left", frameon=False)
        axes.set(xlim=(0, 1), ylim=(max(0.0, lowest - 0.12), 1.02))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.set_xlabel(word("coverage", language))
        axes.set_ylabel(word("accuracy", language))
        axes.grid(alpha=0.25)
        return _finished(axes, f"{task_name(task, language)} · {word('coverage_curve', language)}", language)

    def slices(
        self,
        by: By,
        task: str,
        *,
        ax: Axes | None = None,
        language: Language = "zh-Hant",
        **options: Any,  # noqa: ANN401 - those of Evaluation.slices
    ) -> Axes:
        """Draw :meth:`Evaluation.slices`: a dot and its interval for every part, a line for all messages.

        At most 40 parts are shown, those with the lowest figures.
        """
        found = self._evaluation.slice_rows(by, task, **options)[:_MAX_SHOWN]
        if not found:
            msg = "no part has enough messages to be compared; lower min_messages, or take a coarser division"
            raise DataError(msg)
        axes = _axes(ax, (6.4, 1.5 + 0.32 * len(found)))
        places = np.arange(len(found))
        estimates = np.array([one.estimate for one in found])
        reach = np.array([[one.estimate - one.low, one.high - one.estimate] for one in found]).T
        axes.errorbar(estimates, places, xerr=np.maximum(reach, 0), fmt="o", color=_BLUE, ecolor=_GREY, capsize=2)
        figure = found[0].figure
        whole = getattr(self._evaluation.tasks[task], figure)
        axes.axvline(
            whole, color=_GREY, linestyle="--", linewidth=1, label=f"{word('all_messages', language)} {whole:.2f}"
        )
        names = [slice_names(one.by, one.value, language) for one in found]
        labels = [f"{_short(value)} ({one.messages:,})" for one, (_, value) in zip(found, names, strict=True)]
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.set_xlabel(word(figure, language))
        axes.grid(axis="x", alpha=0.25)
        axes.legend(loc="best", frameon=False)
        return _finished(axes, f"{task_name(task, language)} · {names[0][0]}", language)


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"  # noqa: PLR2004 - what fits beside the chart


def _axes(given: Axes | None, size: tuple[float, float]) -> Axes:
    load_optional("matplotlib", "viz", "charts of an evaluation")
    if given is not None:
        return given
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=size, layout="constrained")
    return axes


def _finished(axes: Axes, title: str, language: Language) -> Axes:
    """Set the title, and a font that has all characters: the figure keeps it wherever it is drawn."""
    from matplotlib.text import Text

    axes.set_title(title, fontsize=11)
    families = [cjk_family(language), _LATIN]
    texts: list[Any] = axes.findobj(Text)
    for text in texts:
        text.set_fontfamily(families)
    return axes


def decision_colours() -> dict[str, str]:
    """Return the colour of every decision."""
    return dict(zip((decision.value for decision in DECISIONS), _DECISION_COLOURS, strict=True))
