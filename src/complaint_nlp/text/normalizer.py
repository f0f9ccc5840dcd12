"""The pipeline: repair, width, script, regional words, until nothing changes any more."""

import re
from collections.abc import Iterable
from functools import cache

from complaint_nlp.text import cleaning, encoding, gloss, markup, regional, script, width
from complaint_nlp.text.offsets import Edit, OffsetMap, apply_edits, compose
from complaint_nlp.text.result import NormalizedText, Stage
from complaint_nlp.text.types import Damage, NormalizerConfig, Region, Script

__all__ = ["Normalizer"]

# Text that was spoilt twice needs two rounds (double-encoded mojibake, an escaped tag); each round is linear.
_MAX_ROUNDS = 24

_ASCII_MARK = re.compile("[,;:!?.]")

_DEFAULT = NormalizerConfig()


@cache
def _attention() -> re.Pattern[str]:
    """Return the search for any character that a repair or width step may change: most texts pass by it."""
    listed = "".join(re.escape(char) for char in {*"&<,;:!?.(\ufffd ", *encoding.LEADS})
    spaces = cleaning.SPACES.replace("\n", "")
    return re.compile(f"[{cleaning.INVISIBLE}{spaces}{width.width_class()}{listed}]")


class _Work:
    """One message on its way: the text so far, its map and the stages that changed it."""

    __slots__ = ("damage", "lost", "offsets", "stages", "text")

    def __init__(self, text: str) -> None:
        """Start with the original and the identity map (None)."""
        self.text = text
        self.offsets: OffsetMap | None = None
        self.stages: list[Stage] = []
        self.damage: set[Damage] = set()
        self.lost: list[tuple[int, int]] = []

    def edit(self, name: str, edits: list[Edit], *, whole: bool = False) -> None:
        """Carry out `edits` and remember them."""
        if not edits:
            return
        after = apply_edits(self.text, edits)
        self.stages.append(Stage(name, self.text, self.offsets, tuple(edits), after))
        self.offsets = compose(self.offsets, edits, whole=whole)
        self.text = after

    def replace(self, name: str, after: str) -> None:
        """Take `after`, position by position the same text, and remember it."""
        if after != self.text:
            self.stages.append(Stage(name, self.text, self.offsets, None, after))
            self.text = after


class Normalizer:
    """Turns what customers write into clean simplified text, with the way back.

    Holds no state but its configuration, so one instance may serve many threads.
    """

    def __init__(self, config: NormalizerConfig = _DEFAULT) -> None:
        """Take the steps from `config`; dictionaries load at the first text that needs them."""
        self.config = config

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"Normalizer({self.config!r})"

    def normalize(self, text: str) -> NormalizedText:
        """Return `text` normalised; doing it again changes nothing.

        Raises:
            TypeError: `text` is not a str.
            ValueError: it is longer than `config.max_chars`.
        """
        if not isinstance(text, str):
            msg = f"text must be a str, not {type(text).__name__}"
            raise TypeError(msg)
        if len(text) > self.config.max_chars:
            msg = f"text has {len(text)} characters, more than the {self.config.max_chars} that max_chars allows"
            raise ValueError(msg)
        work = _Work(text)
        self._repair(work)
        found = script.detect_script(work.text)
        count = len(work.stages)
        region = self._simplify(work, found)
        if len(work.stages) > count:
            self._settle(work)
        damage = tuple(sorted(work.damage, key=lambda item: (item.start, item.end))) if work.damage else ()
        return NormalizedText(work.text, text, found, region, damage, work.offsets, tuple(work.stages))

    def normalize_batch(self, texts: Iterable[str]) -> list[NormalizedText]:
        """Return each of `texts` normalised, in order.

        Raises:
            TypeError: `texts` is a single str, or holds something that is not one.
            ValueError: one of them is longer than `config.max_chars`.
        """
        if isinstance(texts, str):
            msg = "normalize_batch takes an iterable of texts, not one str"
            raise TypeError(msg)
        return [self.normalize(text) for text in texts]

    def _settle(self, work: _Work) -> None:
        """Run everything again until it changes nothing: what one step uncovers, an earlier one may handle."""
        for _ in range(_MAX_ROUNDS):
            count = len(work.stages)
            self._repair(work)
            if not script.is_settled(work.text):
                self._simplify(work, script.detect_script(work.text))
            if len(work.stages) == count:
                return

    def _repair(self, work: _Work) -> None:
        """Run the repair and width steps until they change nothing."""
        suspicious = _attention().search
        config = self.config
        for _ in range(_MAX_ROUNDS):
            count = len(work.stages)
            suspect = suspicious(work.text) is not None
            if config.encoding:
                work.edit("encoding", encoding.repair_encoding(work.text, has_leads=suspect))
                if len(work.stages) > count:
                    continue
            if not suspect:
                return
            self._clean(work)
            if config.damage and ("?" in work.text or "\ufffd" in work.text):
                self._flag(work)
            if config.width and width.width_pattern().search(work.text):
                work.replace("width", width.fold_width(work.text))
            if config.punctuation and _ASCII_MARK.search(work.text):
                work.replace("punctuation", width.unify_punctuation(work.text, work.lost))
            if len(work.stages) == count:
                return

    def _clean(self, work: _Work) -> None:
        """Run the steps that take something away."""
        config = self.config
        if config.html and ("&" in work.text or "<" in work.text):
            work.edit("html", markup.drop_markup(work.text))
        if config.controls and cleaning.has_invisible(work.text):
            work.edit("controls", cleaning.drop_invisible(work.text))
        if config.whitespace and cleaning.has_space_trouble(work.text):
            work.edit("whitespace", cleaning.unify_spaces(work.text))
        if config.glosses and ("(" in work.text or "（" in work.text):
            work.edit("glosses", gloss.drop_glosses(work.text))

    def _flag(self, work: _Work) -> None:
        """Remember where characters were lost, as spans of the original."""
        work.lost = []
        for kind, start, end in cleaning.find_lost(work.text):
            if kind == "question_marks":
                work.lost.append((start, end))
            if work.offsets is None:
                work.damage.add(Damage(kind, start, end))
            else:
                left, right = work.offsets.char_span(start)[0], work.offsets.char_span(end - 1)[1]
                work.damage.add(Damage(kind, left, right))

    def _simplify(self, work: _Work, found: Script) -> Region | None:
        """Convert script and words; return the region."""
        if found is Script.OTHER:
            return None
        taiwan, hong_kong = script.guess_region(work.text)
        if found is Script.SIMPLIFIED:
            return None if hong_kong or not script.has_simplified(work.text) else Region.CN
        source = work.text
        if self.config.script:
            config = "hk2s" if hong_kong > taiwan else "tw2s"
            work.replace("script", script.convert(work.text, config, found))
        hits = regional.find_words(work.text)
        region = regional.settle_region(taiwan, hong_kong, hits)
        if self.config.regional and self.config.script and hits:
            edits = regional.map_words(source, hits, region, mixed=found is Script.MIXED)
            work.edit("regional", edits, whole=True)
        return region
