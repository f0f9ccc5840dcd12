"""Which messages are worth a person's minute, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS
from complaint_nlp.report import Decision
from complaint_nlp.review import formats
from complaint_nlp.review.label_errors import label_errors
from complaint_nlp.review.scoring import silent, with_guesses
from complaint_nlp.review.tables import MAX_ROWS, clean, read_table
from complaint_nlp.review.wording import REASONS, reason_item, reason_shown, values_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.cascade import Speed
    from complaint_nlp.labels import Language
    from complaint_nlp.review.scoring import Progress, Scored
    from complaint_nlp.review.wording import Reason

_SHARES: Final[Mapping[Reason, float]] = {
    "label_error": 0.25,
    "disagree": 0.25,
    "uncertain": 0.25,
    "rare": 0.1,
    "diverse": 0.15,
}
_RARE: Final = 0.02
"""A label that fewer messages than this part carry is rare."""
_SAME: Final = 0.97
"""Cosine from which on two messages teach the same."""
_NAMED: Final = 2
"""Tasks that a reason names, the strongest first."""
MAX_PICKED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Picked:
    """A message worth a look.

    Attributes:
        text: the message, masked where that was asked for.
        id: its identifier in the table it comes from, "" where it has none.
        guess: the labels a person corrects: the model's; where people have labelled the message, theirs.
        why: why it was picked, by reason, in the language chosen; the main one first.
        model: hash of the model that guessed.
    """

    text: str
    id: str
    guess: dict[str, tuple[str, ...]]
    why: dict[Reason, str]
    model: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What :func:`suggest` found.

    Attributes:
        picked: the messages, the ones picked for the same reason together.
        looked_at: how many messages it chose from.
        left_out: how many rows had no message that can be analysed.
        files: what was written.
        notes: what could not be done, and how to enable it.
    """

    picked: list[Picked]
    looked_at: int
    left_out: int
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reasons(self) -> Counter[Reason]:
        """How many messages were picked mainly for which reason."""
        return Counter(next(iter(one.why)) for one in self.picked)


def suggest(  # noqa: PLR0913 - every option of the command is an argument
    source: str | Path,
    target: str | Path,
    *,
    n: int = 100,
    format: formats.Format | None = None,  # noqa: A002 - as the command's option is called
    tasks: Sequence[str] = (),
    language: Language = "zh-Hant",
    mask: bool = False,
    text_column: str = "text",
    encoding: str | None = None,
    model: str | Path = "default",
    speed: Speed | None = None,
    overwrite: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Suggestion:
    """Write the messages of a table that are worth a person's minute, with the model's labels to correct.

    Picked are messages that the model is unsure about, that its two classifiers answer differently, that carry a rare
    label, that are unlike the others (farthest-first traversal, Gonzalez 1985), and, where people have labelled the
    table, whose labels may be wrong (confident learning, Northcutt et al. 2021, doi:10.1613/jair.1.12125; by cleanlab).

    Args:
        source: a table that ``complaint-nlp label`` wrote, one that people have labelled, or raw messages.
        target: file to write.
        n: how many messages, 1 to 5,000.
        format: ``xlsx``, ``csv``, ``label-studio`` or ``argilla``; by the ending of ``target`` when ``None``.
        tasks: which tasks are to be corrected; all when empty.
        language: of reasons and explanations: ``zh-Hant``, ``zh-Hans`` or ``en``.
        mask: hide personal data in the messages.
        text_column: column that holds the message.
        encoding: of a text file; found out when ``None``.
        model: labels what is not labelled, as in :meth:`complaint_nlp.Analyzer.load`.
        speed: as in :meth:`complaint_nlp.Analyzer.load`; ``accurate`` when ``None``, where the model has an encoder.
        overwrite: replace ``target`` when it exists.
        seed: of what is drawn from large tables.
        progress: told what is going on.

    Returns:
        What was picked and written.

    Raises:
        DataError: the table or an option is wrong, or ``target`` exists.
        ConfigError: what the format needs is not installed.
    """
    source, target = Path(source), Path(target)
    if not 1 <= n <= MAX_PICKED:
        msg = f"n must be between 1 and {MAX_PICKED:,}, got {n}"
        raise DataError(msg)
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        msg = f"unknown task {unknown[0]!r}; use one of {', '.join(TASKS)}"
        raise DataError(msg)
    wanted = [task for task in TASKS if not tasks or task in tasks]
    kind = formats.checked(target, format, overwrite=overwrite)
    table = read_table(source, text_column=text_column, encoding=encoding)
    if not table.rows:
        msg = f"{source}: none of its first {MAX_ROWS:,} rows holds a message that can be analysed"
        raise DataError(msg)
    scored = with_guesses(table, wanted, model=model, speed=speed, seed=seed, progress=progress)
    errors, notes = label_errors(scored, wanted)
    chooser = _Chooser(scored, wanted, errors, language)
    picked = [_picked(scored, wanted, row, why, mask=mask) for row, why in chooser.choose(n)]
    files = formats.write(picked, target, kind, wanted, language)
    return Suggestion(picked, len(scored.rows), table.left_out, files, (*scored.notes, *notes))


def _picked(scored: Scored, tasks: Sequence[str], number: int, why: dict[Reason, str], *, mask: bool) -> Picked:
    from complaint_nlp.facts.masking import mask as hidden

    row = scored.rows[number]
    text = clean(row.text)
    guess = {task: row.human.get(task, row.guess[task]) for task in tasks if task in row.human or task in row.guess}
    return Picked(hidden(text) if mask else text, row.id, guess, why, scored.model_hash)


@dataclass
class _Chooser:
    """Ranks messages by every reason, and takes turns between the reasons."""

    scored: Scored
    tasks: Sequence[str]
    errors: dict[int, dict[str, float]]
    language: Language
    _taken: list[int] = field(default_factory=list)

    def choose(self, n: int) -> list[tuple[int, dict[Reason, str]]]:
        """Return rows with why they were picked, grouped by the main reason."""
        ranked = {reason: self._ranked(reason) for reason in REASONS}
        queues = {reason: iter([row for row, _ in found]) for reason, found in ranked.items() if found}
        because = {reason: dict(found) for reason, found in ranked.items()}
        main: dict[int, Reason] = {}
        counts: Counter[Reason] = Counter()
        keys: set[str] = set()
        vectors = self.scored.vectors
        farthest = _Farthest(vectors)
        open_reasons: list[Reason] = [*queues, "diverse"]
        while len(main) < n and open_reasons:
            reason = min(open_reasons, key=lambda name: (counts[name] + 1) / _SHARES[name])
            row = farthest.next() if reason == "diverse" else next(queues[reason], None)
            if row is None:
                open_reasons.remove(reason)
                continue
            key = clean(self.scored.rows[row].text)
            if row in main or key in keys or farthest.nearest(row) > _SAME:
                if reason == "diverse":
                    farthest.take(row)
                continue
            main[row] = reason
            counts[reason] += 1
            keys.add(key)
            farthest.take(row)
        return [(row, self._all_reasons(row, reason, because)) for row, reason in sorted(main.items(), key=_order)]

    def _all_reasons(self, row: int, main: Reason, because: Mapping[Reason, Mapping[int, str]]) -> dict[Reason, str]:
        names: list[Reason] = [main, *(reason for reason in REASONS if reason != main)]
        said = {reason: because[reason][row] for reason in names if row in because.get(reason, {})}
        if main == "diverse":
            said = {"diverse": reason_shown("diverse", (), self.language), **said}
        return said

    def _ranked(self, reason: Reason) -> list[tuple[int, str]]:
        """Return rows and what is said about them, the ones most worth a look first."""
        if reason == "diverse":
            return []
        found: dict[int, list[tuple[float, str]]] = {}
        for row, strength, words in _FINDERS[reason](self):
            found.setdefault(row, []).append((strength, words))
        ranked = sorted(found.items(), key=lambda item: (-sum(strength for strength, _ in item[1]), item[0]))
        named = [(row, [words for _, words in sorted(parts, reverse=True)[:_NAMED]]) for row, parts in ranked]
        return [(row, reason_shown(reason, words, self.language)) for row, words in named]

    def _say(self, reason: Reason, **filled: str) -> str:
        return reason_item(reason, self.language, **filled)

    def _name(self, task: str) -> str:
        from complaint_nlp.labels import display_name

        return display_name(task, None, self.language)

    def _shown(self, task: str, values: tuple[str, ...]) -> str:
        return values_shown(task, values, self.language)

    def uncertain(self) -> list[tuple[int, float, str]]:
        """Return answers that are not automatic, by how low their confidence is among those of their task."""
        found = []
        for task in self.tasks:
            rows = [
                (1.0 - row.confidence[task], number)
                for number, row in enumerate(self.scored.rows)
                if row.decision.get(task, Decision.AUTO) is not Decision.AUTO
            ]
            rows.sort()
            for place, (doubt, number) in enumerate(rows, 1):
                # a rank, because some tasks are harder than others and would fill the list; review counts double
                review = self.scored.rows[number].decision[task] is Decision.REVIEW
                strength = place / len(rows) * (1.0 if review else 0.5)
                words = self._say("uncertain", task=self._name(task), confidence=f"{1.0 - doubt:.0%}")
                found.append((number, strength**2, words))
        return found

    def disagree(self) -> list[tuple[int, float, str]]:
        """Return answers that the linear model would give differently."""
        found = []
        for number, linear in self.scored.linear.items():
            guess = self.scored.rows[number].guess
            for task in self.tasks:
                one, other = linear.get(task), guess.get(task)
                if one is None or other is None or set(one) == set(other):
                    continue
                words = self._say(
                    "disagree", task=self._name(task), linear=self._shown(task, one), blend=self._shown(task, other)
                )
                found.append((number, _distance(task, one, other), words))
        return found

    def rare(self) -> list[tuple[int, float, str]]:
        """Return answers with labels that few messages carry."""
        found = []
        for task in self.tasks:
            counts = self.scored.label_counts.get(task, Counter())
            total = sum(task in row.guess for row in self.scored.rows)
            for number, row in enumerate(self.scored.rows):
                few = [value for value in row.guess.get(task, ()) if counts[value] < _RARE * self.scored.counted]
                if few and total:
                    share = min(counts[value] for value in few) / max(self.scored.counted, 1)
                    words = self._say("rare", task=self._name(task), values=self._shown(task, tuple(few)))
                    found.append((number, -float(np.log(max(share, 1e-6))), words))
        return found

    def label_error(self) -> list[tuple[int, float, str]]:
        """Return labels by people that cleanlab doubts."""
        found = []
        for number, by_task in self.errors.items():
            row = self.scored.rows[number]
            for task, doubt in by_task.items():
                given, guess = row.human[task], row.guess.get(task, ())
                if set(given) == set(guess):
                    continue
                words = self._say(
                    "label_error",
                    task=self._name(task),
                    values=self._shown(task, given),
                    guess=self._shown(task, guess),
                )
                found.append((number, doubt, words))
        return found


_FINDERS: Final[dict[str, Callable[[_Chooser], list[tuple[int, float, str]]]]] = {
    "uncertain": _Chooser.uncertain,
    "disagree": _Chooser.disagree,
    "rare": _Chooser.rare,
    "label_error": _Chooser.label_error,
}


def _order(item: tuple[int, Reason]) -> tuple[int, int]:
    return REASONS.index(item[1]), item[0]


def _distance(task: str, one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Return how far two answers are from each other, 0 to 1."""
    if TASKS[task].kind == "ordinal":
        values = TASKS[task].values
        return abs(values.index(one[0]) - values.index(other[0])) / (len(values) - 1)
    return 1.0 - len({*one} & {*other}) / len({*one, *other})


class _Farthest:
    """Farthest-first traversal: the message that is farthest from all that were taken."""

    def __init__(self, vectors: NDArray[Any]) -> None:
        self._vectors = vectors
        self._nearest = np.full(len(vectors), -2.0)
        self._gone = np.zeros(len(vectors), dtype=bool)
        # the first is the one least like the mean
        self._first = vectors @ vectors.mean(axis=0) if len(vectors) else np.zeros(0)

    def nearest(self, row: int) -> float:
        """Return the cosine to the nearest message taken; -2 before any was."""
        return float(self._nearest[row])

    def take(self, row: int) -> None:
        """Note that a message was taken."""
        self._gone[row] = True
        self._nearest = np.maximum(self._nearest, self._vectors @ self._vectors[row])

    def next(self) -> int | None:
        """Return the message farthest from all that were taken, ``None`` when none is left."""
        if self._gone.all():
            return None
        closeness = self._nearest if self._gone.any() else self._first
        return int(np.where(self._gone, np.inf, closeness).argmin())
