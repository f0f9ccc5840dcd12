"""One object that takes a message through all rooms: text, classify, triage, playbook."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.classify.bundle import Bundle, open_bundle
from complaint_nlp.classify.cascade import Cascade, Speed
from complaint_nlp.classify.encoder import MODEL, VECTORS, Encoder
from complaint_nlp.errors import ModelError
from complaint_nlp.hub import COMMIT_MESSAGE, push_bundle, resolve_model, save_bundle
from complaint_nlp.labels import Intent, Language, Urgency
from complaint_nlp.playbook.handling import Handling
from complaint_nlp.playbook.handling import playbook as open_playbook
from complaint_nlp.report import Decision, LabelResult, Report, Status
from complaint_nlp.text import NormalizedText, Normalizer, NormalizerConfig, Script
from complaint_nlp.text.script import answers_traditional
from complaint_nlp.triage.answers import extra_results, label_results, raised
from complaint_nlp.triage.routing import Router
from complaint_nlp.triage.safety import SafetyRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.cases import CaseBase

DEFAULT_MAX_CHARS: Final = 20_000
DEFAULT_BATCH_SIZE: Final = 512


class Analyzer:
    """Analyses customer messages.

    Instances are safe to share between threads, can be pickled (they are loaded again from the same files) and used
    after a fork. Build one with :meth:`load` and keep it: loading costs more than thousands of messages.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        cascade: Cascade,
        router: Router,
        safety_rules: SafetyRules,
        max_chars: int,
        playbook: str | None = None,
        cases: str | Path | None = None,
    ) -> None:
        self.bundle = bundle
        self.max_chars = max_chars
        self._load_arguments: tuple[Any, ...] = ()
        self._normalizer = Normalizer(NormalizerConfig(max_chars=max_chars))
        self._cascade = cascade
        self._router = router
        self._rules = safety_rules
        self._playbook = playbook
        self._embedding_encoder: Encoder | None = None
        self._cases = None if cases is None else self.open_cases(cases)

    @classmethod
    def load(
        cls,
        model: str | Path = "default",
        *,
        routing: str | Path | None = None,
        safety_rules: str | Path | None = None,
        playbook: str | Path | None = None,
        cases: str | Path | None = None,
        max_chars: int = DEFAULT_MAX_CHARS,
        speed: Speed | None = None,
        threads: int = 0,
    ) -> Analyzer:
        """Load a model bundle and the rule files.

        Args:
            model: directory of a bundle, ``"default"`` for the one that ships with the package, or, where no such
                directory exists, its id on the Hugging Face hub: ``"org/name"`` or ``"org/name@revision"``.
            routing: your own routing file instead of the shipped one.
            safety_rules: your own safety rules instead of the shipped ones.
            playbook: directory of your own plans and wordings, laid over the shipped ones piece by piece; see
                ``docs/handling.md``.
            cases: file of a case base, made when there is none, which :meth:`Report.similar` searches.
            max_chars: longer messages get the status ``too_long``.
            speed: ``"accurate"`` asks the encoder about every message, ``"balanced"`` only where the linear model is
                not sure, ``"fast"`` never. ``None`` is ``balanced``, and ``fast`` for a bundle without an encoder.
            threads: threads of the encoder; 0 for as many as there are cores.

        Raises:
            ModelError: the bundle is missing, damaged or cannot be fetched, or has no encoder for the ``speed`` asked
                for.
            ConfigError: a rule file is wrong; the message names its line and key.
            ValueError: ``max_chars`` is not positive, or there is no such ``speed``.
        """
        if max_chars < 1:
            msg = f"max_chars must be positive, got {max_chars}"
            raise ValueError(msg)
        bundle = open_bundle(resolve_model(model))
        own = None if playbook is None else str(Path(playbook).resolve())
        if own is not None:
            open_playbook(own)  # what is wrong with it is said now, not at the first message
        analyzer = cls(
            bundle,
            cascade=Cascade(bundle, speed, threads=threads),
            router=Router(routing),
            safety_rules=SafetyRules(safety_rules),
            max_chars=max_chars,
            playbook=own,
            cases=cases,
        )
        analyzer._load_arguments = (
            # for a hub id the very files it stood for, not what it may stand for later
            "default" if str(model) == "default" else str(bundle.path.resolve()),
            None if routing is None else str(Path(routing).resolve()),
            None if safety_rules is None else str(Path(safety_rules).resolve()),
            own,
            None if cases is None else str(Path(cases).resolve()),
            max_chars,
            speed,
            threads,
        )
        return analyzer

    from_pretrained = load
    """:meth:`load` under the name that Hugging Face libraries give it."""

    def save_pretrained(self, directory: str | Path) -> None:
        """Copy the model bundle into ``directory``, from where :meth:`load` takes it.

        A bundle that is there already is replaced, anything else is not. Rule files are no part of a bundle.

        Raises:
            DataError: ``directory`` exists and holds something else than a bundle.
            ModelError: the bundle's files have changed since it was loaded.
        """
        save_bundle(self.bundle, directory)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        commit_message: str = COMMIT_MESSAGE,
        token: str | None = None,
    ) -> str:
        """Upload the model bundle to the Hugging Face hub, from where :meth:`load` takes it by its id.

        The bundle's hashes cover its model card too: change the card before pushing, not on the hub.

        Args:
            repo_id: ``"org/name"``; created when it does not exist. Files of other names in it stay as they are.
            private: only people with access to the repository may see it.
            commit_message: summary of the commit.
            token: access token; the one of ``hf auth login`` when ``None``.

        Returns:
            The address of the commit.

        Raises:
            ModelError: the hub cannot be reached or refuses, or ``private`` is asked for a repository that is public.
        """
        return push_bundle(self.bundle, repo_id, private=private, commit_message=commit_message, token=token)

    @property
    def speed(self) -> Speed:
        """Which classifiers are asked: ``"fast"``, ``"balanced"`` or ``"accurate"``."""
        return self._cascade.speed

    def respond_by(self, urgency: Urgency, received_at: datetime) -> datetime:
        """Return when the first answer to a message of this urgency is due, in UTC.

        Args:
            urgency: how urgent it is.
            received_at: when it came in, with its time zone.
        """
        return self._router.respond_by(urgency, received_at)

    @property
    def extra_tasks(self) -> dict[str, bool]:
        """Names of the model's own tasks, answered in :attr:`Report.extra`, and whether several values can apply."""
        return self._cascade.extra_tasks

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the encoder's vectors of messages: (texts, width) float32, of any length, near where meanings are.

        Both scripts give the same vector; a text without a readable character gives zeros.

        Raises:
            ModelError: the bundle has no encoder.
        """
        if self._embedding_encoder is None:
            self._embedding_encoder = self._cascade.encoder or Encoder(self.bundle)
        messages = [self._normalizer.normalize(text) for text in texts]
        return self._embedding_encoder.embed(messages)

    def open_cases(self, path: str | Path) -> CaseBase:
        """Return the case base in ``path``, made when there is none, searched with the vectors of this model.

        Close it, or use it in a ``with`` statement.

        Raises:
            DataError: the file is damaged, of a newer version, or no case base.
            ModelError: its vectors were made with another model, or the bundle has no encoder.
        """
        from complaint_nlp.cases import CaseBase

        return CaseBase(path, self.embed, model_hash=self.embedding_hash).open()

    @property
    def embedding_hash(self) -> str:
        """What tells the vectors of :meth:`embed` from those of other models; new thresholds do not change it.

        Raises:
            ModelError: the bundle has no encoder.
        """
        files = self.bundle.manifest.files
        if MODEL not in files:
            msg = f"{self.bundle.path}: the bundle has no encoder, so messages cannot be compared by their meaning"
            raise ModelError(msg)
        return "-".join(files[name].sha256[:32] for name in (MODEL, VECTORS) if name in files)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reload, self._load_arguments

    def analyze(self, text: str | None, *, received_at: datetime | None = None) -> Report:
        """Return the report on one message.

        Args:
            text: the message in traditional or simplified Chinese, or both. ``None`` is an empty message.
            received_at: when it came in, with its time zone (without one: local time); the deadline counts from
                here. Now, when ``None``.
        """
        return self.analyze_batch([text], received_at=received_at)[0]

    def analyze_batch(
        self,
        texts: Iterable[str | None],
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        received_at: datetime | None = None,
    ) -> list[Report]:
        """Return one report per message, in order.

        A message that cannot be analysed gets a report whose ``status`` says why; it never stops the batch.

        Args:
            texts: the messages.
            batch_size: how many are scored at once; more is faster and takes more memory.
            received_at: as in :meth:`analyze`, for all of them.
        """
        return list(self.analyze_stream(texts, batch_size=batch_size, received_at=received_at))

    def analyze_stream(
        self,
        texts: Iterable[str | None],
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        received_at: datetime | None = None,
    ) -> Iterator[Report]:
        """Return an iterator of one report per message, in order, that reads ``batch_size`` messages ahead.

        Raises:
            TypeError: ``texts`` is a single text.
            ValueError: ``batch_size`` is not positive.
        """
        if batch_size < 1:
            msg = f"batch_size must be positive, got {batch_size}"
            raise ValueError(msg)
        if isinstance(texts, str):
            msg = "texts must be an iterable of messages, got one str; use analyze() for a single message"
            raise TypeError(msg)
        return self._stream(iter(texts), batch_size, (received_at or datetime.now(UTC)).astimezone(UTC))

    def _stream(self, source: Iterator[str | None], batch_size: int, received_at: datetime) -> Iterator[Report]:
        while batch := list(islice(source, batch_size)):
            yield from self._batch(batch, received_at)

    def _batch(self, texts: Sequence[object], received_at: datetime) -> list[Report]:
        prepared = [self._prepare(text) for text in texts]
        messages = [item for item in prepared if isinstance(item, NormalizedText)]
        try:
            reports = iter(self._analyze(messages, received_at))
        except Exception:  # noqa: BLE001 - whatever one message broke must not take the others along
            reports = iter([self._analyze_alone(message, received_at) for message in messages])
        return [next(reports) if isinstance(item, NormalizedText) else item for item in prepared]

    def _prepare(self, text: object) -> NormalizedText | Report:
        """Return the normalised message, or the report that says why there is nothing to analyse."""
        if text is None or _is_missing(text):
            return Report("", Status.EMPTY)
        if not isinstance(text, str):
            return Report("", Status.ERROR, error=f"a message is text, got {type(text).__name__}")
        if len(text) > self.max_chars:
            error = f"{len(text):,} characters, at most {self.max_chars:,} are accepted"
            return Report(text, Status.TOO_LONG, error=error)
        try:
            message = self._normalizer.normalize(text)
        except Exception as error:  # noqa: BLE001 - as above
            return Report(text, Status.ERROR, error=f"normalisation failed: {type(error).__name__}: {error}")
        visible = len(message.text) - message.text.count(" ") - message.text.count("\n")
        script, region = message.script.value, message.region.value if message.region else None
        if not visible:
            return Report(text, Status.EMPTY)
        if visible == 1:
            return Report(text, Status.TOO_SHORT, script, region)
        if message.script is Script.OTHER:
            return Report(text, Status.NOT_CHINESE, script, region)
        return message

    def _analyze_alone(self, message: NormalizedText, received_at: datetime) -> Report:
        try:
            return self._analyze([message], received_at)[0]
        except Exception as error:  # noqa: BLE001 - as above
            return Report(message.original, Status.ERROR, error=f"analysis failed: {type(error).__name__}: {error}")

    def _analyze(self, messages: Sequence[NormalizedText], received_at: datetime) -> list[Report]:
        if not messages:
            return []
        reports: dict[int, Report] = {}
        for answers in self._cascade.answer(messages):
            rows = answers.rows.tolist()
            group = [messages[row] for row in rows]
            columns = label_results(group, answers.scores, answers.decided)
            for i, row in enumerate(rows):
                results = {name: column[i] for name, column in columns.items()}
                reports[row] = self._report(messages[row], results, received_at)
            if "heads" in self.bundle.manifest.components:
                for row, extra in zip(rows, extra_results(answers.extra), strict=True):
                    reports[row] = replace(reports[row], extra=extra)
        return [reports[row] for row in range(len(messages))]

    def _report(self, message: NormalizedText, results: dict[str, LabelResult[Any]], received_at: datetime) -> Report:
        language: Language = "zh-Hant" if answers_traditional(message) else "zh-Hans"
        intent: LabelResult[Intent] = results["intent"]
        # praise that only mentions an accident ("the nurse ran when my son fell") is no emergency
        sure_praise = intent.primary is Intent.PRAISE and intent.decision is Decision.AUTO
        reasons = () if sure_praise else self._rules.find(message, language)
        urgency = raised(results["urgency"], reasons)
        level: Urgency = urgency.labels[0]
        told = [reason.matter for reason in reasons if reason.matter is not None]
        route = self._router.route(
            intent=intent.labels[0],
            categories=results["category"].labels,
            subcategories=tuple(dict.fromkeys([*told, *results["subcategory"].labels])),
            urgency=level,
            received_at=received_at,
            language=language,
        )
        return Report(
            text=message.original,
            status=Status.OK,
            script=message.script.value,
            region=message.region.value if message.region else None,
            intent=intent,
            category=results["category"],
            subcategory=results["subcategory"],
            urgency=urgency,
            emotion=results["emotion"],
            intensity=results["intensity"],
            needs=results["needs"],
            demands=results["demands"],
            urgency_reasons=reasons,
            route=route,
            handling=Handling(received_at.astimezone(self._router.time_zone), language, self._playbook, self._cases),
        )


def _reload(
    model: str,
    routing: str | None,
    safety_rules: str | None,
    playbook: str | None,
    cases: str | None,
    max_chars: int,
    speed: Speed | None,
    threads: int,
) -> Analyzer:
    return Analyzer.load(
        model,
        routing=routing,
        safety_rules=safety_rules,
        playbook=playbook,
        cases=cases,
        max_chars=max_chars,
        speed=speed,
        threads=threads,
    )


def _is_missing(text: object) -> bool:
    """Return whether ``text`` is how tables write a missing text: a NaN or pandas' NA."""
    try:
        return bool(text != text)  # noqa: PLR0124 - only NaN differs from itself
    except Exception:  # noqa: BLE001 - an array, say; pandas' NA cannot be compared either
        return type(text).__name__ == "NAType"
