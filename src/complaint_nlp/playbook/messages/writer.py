"""Writes to the customer: the feeling named, the customer's own words said back, what happens next and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from complaint_nlp.playbook.messages.clock import say_time
from complaint_nlp.playbook.messages.files import load_message_files
from complaint_nlp.playbook.messages.quoting import Quoter
from complaint_nlp.playbook.messages.schema import VARIABLE
from complaint_nlp.playbook.messages.values import Filler, choose, view_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.messages.schema import MessageFile, Piece
    from complaint_nlp.playbook.messages.values import Fillings, View
    from complaint_nlp.playbook.strategy.plan import Case, StrategyPlan

__all__ = ["Messages", "Occasion"]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a message to the customer is written from.

    Attributes:
        case: the labels, the facts and what is missing.
        plan: how the case is handled.
        region: ``TW``, ``HK`` or ``CN``: whose words are used; ``None`` where it is not known.
        received_at: when the message came, aware, in the office's time zone.
        respond_by: when the first answer is due, aware.
        key_words: the customer's own words that speak for the labels, in the original script, the strongest first.

    Raises:
        ValueError: a time has no time zone, or the answer was due before the message came.
    """

    case: Case
    plan: StrategyPlan
    region: str | None
    received_at: datetime
    respond_by: datetime
    key_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("received_at", "respond_by"):
            if getattr(self, name).utcoffset() is None:
                msg = f"{name} needs a time zone"
                raise ValueError(msg)
        if self.respond_by < self.received_at:
            msg = f"respond_by ({self.respond_by}) lies before received_at ({self.received_at})"
            raise ValueError(msg)


class Messages:
    """Writes messages in the customer's script and regional words. The same occasion always gives the same text.

    Args:
        directory: files of your own, each with only the entries to change, merged by key over the shipped ones; see
            :func:`complaint_nlp.playbook.messages.files.load_message_files`.

    Raises:
        ConfigError: a file is wrong; the message names the file, the key and the reason.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.files = load_message_files(directory)
        self._filler = Filler(self.files, Quoter(self.files.words.quotes))

    def first_reply(self, occasion: Occasion) -> str:
        """Return the first answer, one paragraph of about 60 to 160 characters."""
        return self._write(self.files.first_reply, "first_reply", occasion)

    def apology_letter(self, occasion: Occasion) -> str:
        """Return a letter of some short paragraphs: an apology, or thanks where there is nothing to regret.

        It apologises for the experience while the fault is unclear, owns it where it is ours, and regrets unclear
        information where the customer was mistaken.
        """
        return self._write(self.files.apology_letter, "apology_letter", occasion)

    def progress_note(self, occasion: Occasion) -> str:
        """Return a note on the progress: what was done in general, what is open and when the next word comes."""
        return self._write(self.files.progress_note, "progress_note", occasion)

    def follow_up_message(self, occasion: Occasion) -> str:
        """Return the question, after solving, whether it is really solved and how the handling was."""
        return self._write(self.files.follow_up_message, "follow_up_message", occasion)

    def say_time(self, when: datetime, now: datetime, language: Language) -> str:
        """Return "before ``when``", seen from ``now``, as a person says it; both aware."""
        return say_time(when, now, self.files.words.times, language)

    def in_words_of(self, text: str, region: str | None, language: Language) -> str:
        """Return our own text in the words of the customer's region: those of Hong Kong, or as it is."""
        return self._filler.in_hong_kong(text) if region == "HK" and language == "zh-Hant" else text

    def _write(self, file: MessageFile, kind: str, occasion: Occasion) -> str:
        seed = f"{kind} {_content(occasion)} "
        view = view_of(occasion.case, occasion.plan)
        fillings = self._filler.fill(occasion, seed)
        said: dict[str, str] = {}
        for part in (part for paragraph in file.paragraphs for part in paragraph):
            text = self._say(file.pieces[part], f"{seed}{part}", view, fillings)
            if text:
                said[part] = text
        for part in file.drop:
            if sum(map(len, said.values())) <= file.most:
                break
            said.pop(part, None)
        paragraphs = ("".join(said.get(part, "") for part in paragraph) for paragraph in file.paragraphs)
        return "\n".join(filter(None, paragraphs))

    def _say(self, pieces: Mapping[str, Piece], seed: str, view: View, fillings: Fillings) -> str | None:
        """Return the best piece that holds and can be filled, in one of its wordings."""
        holding = [piece for piece in pieces.values() if piece.when.holds(view.values)]
        holding.sort(key=lambda piece: (-piece.priority, view.distance(piece.when), -len(piece.when.given)))
        for piece in holding:
            wordings = [wording.get(view.language) for wording in piece.say]
            whole = [text for text in wordings if fillings.names.issuperset(VARIABLE.findall(text))]
            if whole:
                return self._filler.filled(choose(whole, seed), fillings)
        return None


def _content(occasion: Occasion) -> str:
    """Return what tells one message from another."""
    case = occasion.case
    labels = (*case.subcategories, *case.all_categories, *case.emotions, case.intent)
    return " ".join((case.text, *occasion.key_words, *labels))
