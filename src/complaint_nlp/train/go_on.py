"""Going on from a bundle with corrected messages: no GPU, no PyTorch, and none of what it was trained on.

The encoder stays as it is. The linear model takes one proximal step from its weights, and the map that blends both
another, each only in heads where that answers better out of fold; thresholds move towards those of the new messages.
The result has the form of any bundle. What was tried and what it gave stands in ``docs/decisions/0011-going-on.md``.
"""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from complaint_nlp import __version__
from complaint_nlp.classify.bundle import MANIFEST, open_bundle, write_bundle
from complaint_nlp.classify.cascade import BLEND, BLEND_CALIBRATION
from complaint_nlp.classify.decide import CALIBRATION
from complaint_nlp.classify.encoder import Encoder
from complaint_nlp.classify.features import Vocabulary, encode
from complaint_nlp.classify.linear import (
    ARRAYS,
    HEADS,
    LinearClassifier,
    head_slices,
    is_exclusive,
    probabilities_from_margins,
    signal_matrix,
)
from complaint_nlp.classify.scores import PRIMARY_EMOTION, PRIMARY_OF
from complaint_nlp.errors import DataError, ModelError
from complaint_nlp.evaluation import Comparison, compare, evaluate
from complaint_nlp.hub import resolve_model
from complaint_nlp.labelled import read_labelled, refuse_overlap
from complaint_nlp.labels import TASKS
from complaint_nlp.train.calibrate import choose_thresholds
from complaint_nlp.train.linear import Progress, normalize_all, silent, targets_of
from complaint_nlp.train.own_fit import folds_of_texts
from complaint_nlp.train.proximal import Step, proximal_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.classify.cascade import Speed
    from complaint_nlp.labelled import LabelledMessage
    from complaint_nlp.text import NormalizedText

MIN_MESSAGES: Final = 50
_LINEAR_STRENGTHS: Final = (1.0, 10.0, 30.0)
_BLEND_STRENGTHS: Final = (10.0, 30.0, 100.0)
_MARGIN_SCALE: Final = 6.0
"""Margins are divided by this where they are features, so that strengths mean about the same as for n-grams."""
_PRIOR_MESSAGES: Final = 1_000.0
"""How many messages the shipped thresholds count for against those of the corrections."""
_MIN_POSITIVES: Final = 5
_CHUNK: Final = 256
_SECTION: Final = "\n## Corrections\n"


@dataclass(frozen=True, slots=True)
class GoOnResult:
    """What going on gave.

    Attributes:
        bundle: the written bundle.
        changes: by title (test file and speed) the figures of the model it started from and of the new one.
        against: the same against the model that stood at the place of the new one, where there was one.
        heads: by part, ``linear`` and ``blend``, the heads that were changed.
        messages: how many corrected messages it has learnt from.
    """

    bundle: Bundle
    changes: Mapping[str, Comparison]
    against: Mapping[str, Comparison]
    heads: Mapping[str, tuple[str, ...]]
    messages: int


class WorseModelError(ModelError):
    """The new model is not as good as the one it would replace; ``force=True`` writes it all the same."""


def go_on(
    data: Sequence[str | Path],
    out: str | Path,
    *,
    test: Sequence[str | Path],
    from_model: str | Path = "default",
    name: str | None = None,
    overwrite: bool = False,
    force: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> GoOnResult:
    """Train a bundle further on corrected messages and write the result as a new one.

    Args:
        data: labelled messages to learn from, as ``complaint-nlp review apply`` writes them; of those with a key
            ``split`` only ``"train"``.
        out: directory of the bundle to write.
        test: labelled messages that stay the same from one time to the next, to measure on; of those with a key
            ``split`` only ``"test"``.
        from_model: the bundle to start from, as in :meth:`complaint_nlp.Analyzer.load`.
        name: name of the model; that of ``from_model`` with ``+ corrections`` when ``None``.
        overwrite: replace ``out`` when it exists.
        force: write the model (and replace ``out``) even if it is worse.
        seed: of folds and resamples.
        progress: told what is going on.

    Returns:
        The bundle, and the figures before and after.

    Raises:
        DataError: the data is wrong or too little, no test messages are given, or ``out`` exists.
        ModelError: ``from_model`` is missing or damaged, or has heads of its own tasks.
        WorseModelError: the new model is worse than ``from_model``, or than the one at ``out``.
    """
    out = Path(out)
    previous = _checked_out(out, replace=overwrite or force)
    base = open_bundle(resolve_model(from_model))
    if "heads" in base.manifest.components:
        msg = f"{base.path}: has heads for your own labels, which rest on the part that would change; go on from the "
        msg += "bundle they were trained on, then train them again on the result"
        raise ModelError(msg)
    messages, tests = read_labelled(data, split="train"), {}
    for path in test:
        tests["/".join(Path(path).resolve().parts[-2:])] = read_labelled(path, split="test")
    if not any(tests.values()):
        msg = "--test is needed: labelled messages, always the same ones, that say whether the model got better"
        raise DataError(msg)
    if len(messages) < MIN_MESSAGES:
        msg = f"{len(messages)} corrected messages are too few to learn from; at least {MIN_MESSAGES} are needed"
        raise DataError(msg)
    normalized = normalize_all(messages, progress)
    held_out = {title: normalize_all(part) for title, part in tests.items()}
    refuse_overlap(
        (message.text for message in normalized),
        {
            title: [(message.id, text.text) for message, text in zip(tests[title], part, strict=True)]
            for title, part in held_out.items()
        },
    )
    files, heads = _learnt(base, messages, normalized, seed, progress)
    called = name or f"{base.manifest.name} + corrections"
    trained_with = (
        f"{base.manifest.trained_with}; then {len(messages):,} corrected messages of "
        f"{', '.join(Path(path).name for path in data)}; complaint_nlp {__version__}"
    )
    about: dict[str, Any] = {"name": called, "trained_with": trained_with, "components": base.manifest.components}
    with tempfile.TemporaryDirectory() as folder:
        trial = write_bundle(Path(folder) / "bundle", files=files, **about)
        changes = _measured(base, trial, tests, seed, progress)
        against = {} if previous is None else _measured(previous, trial, tests, seed, progress)
    _refuse_worse(changes, f"the model it started from ({base.manifest.name})", force=force)
    _refuse_worse(against, f"the one in {out}", force=force)
    card = files["README.md"].decode("utf-8").partition(_SECTION)[0]
    files["README.md"] = (card + _SECTION + _card(changes, heads, len(messages))).encode()
    return GoOnResult(write_bundle(out, files=files, **about), changes, against, heads, len(messages))


def _checked_out(out: Path, *, replace: bool) -> Bundle | None:
    """Return the bundle that stands at ``out``, before anything long begins."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / MANIFEST).is_file():
        msg = f"{out}: is not a model bundle, so it is not replaced; give another directory"
        raise DataError(msg)
    if not replace:
        msg = f"{out}: exists already; use --overwrite to replace it"
        raise DataError(msg)
    return open_bundle(out)


def _learnt(
    base: Bundle, messages: Sequence[LabelledMessage], texts: Sequence[NormalizedText], seed: int, progress: Progress
) -> tuple[dict[str, bytes], dict[str, tuple[str, ...]]]:
    """Return the files of the new bundle, and which heads changed."""
    outputs = sum(len(values) for values in HEADS.values())
    targets = targets_of(messages)
    values, known = targets.values[:, :outputs], targets.known[:, :outputs]
    folds = folds_of_texts([text.text for text in texts], values > 0, seed)
    files = {name: base.listed(name).read_bytes() for name in base.manifest.files if name != "labels.json"}
    files.setdefault("README.md", b"")
    classifier = LinearClassifier(base)
    margins = np.concatenate([classifier.margins(texts[i : i + _CHUNK])[0] for i in range(0, len(texts), _CHUNK)])
    thresholds = base.json(CALIBRATION)
    arrays = base.arrays(ARRAYS)
    features = _features(arrays, texts)
    used = np.unique(features.indices)
    progress("learning the linear part", 0, 2)
    # the margins of all heads as well: "whatever is about money is urgent here" is one number there, and many n-grams
    beside = sparse.csr_array(margins.astype(np.float64) / _MARGIN_SCALE)
    given = sparse.csr_array(sparse.hstack([features[:, used], beside]))
    step = proximal_step(given, margins, values, known, folds, _shifts(thresholds), strengths=_LINEAR_STRENGTHS)
    files[ARRAYS] = _moved_linear(arrays, used, step)
    held_out = margins + step.out_of_fold.astype(np.float32)
    files[CALIBRATION] = _moved_thresholds(thresholds, held_out, values, known)
    heads = {"linear": _changed(step)}
    progress("learning the linear part", 1, 2)
    if "encoder" in base.manifest.components:
        parts = []
        encoder = Encoder(base)
        for start in range(0, len(texts), _CHUNK):
            parts.append(encoder.run(texts[start : start + _CHUNK]).logits)
            progress("reading", min(start + _CHUNK, len(texts)), len(texts))
        blend = {key: np.asarray(array, dtype=np.float64) for key, array in base.arrays(BLEND).items()}
        blended = np.concatenate([np.concatenate(parts), held_out], axis=1) @ blend["matrix"] + blend["bias"]
        features = np.concatenate([blended, held_out], axis=1) / _MARGIN_SCALE
        accurate = base.json(BLEND_CALIBRATION)
        step = proximal_step(
            features, blended.astype(np.float32), values, known, folds, _shifts(accurate), strengths=_BLEND_STRENGTHS
        )
        files[BLEND] = _moved_blend(blend, step)
        new = (blended + step.out_of_fold).astype(np.float32)
        files[BLEND_CALIBRATION] = _moved_thresholds(accurate, new, values, known)
        heads["blend"] = _changed(step)
    progress("learning the linear part", 2, 2)
    return files, heads


def _changed(step: Step) -> tuple[str, ...]:
    return tuple(head for head, strength in step.strengths.items() if np.isfinite(strength))


def _features(arrays: Mapping[str, NDArray[Any]], texts: Sequence[NormalizedText]) -> Any:  # noqa: ANN401 - SciPy
    """Return (messages, n-grams and signals) what the linear weights are multiplied with, as a sparse array."""
    vocabulary = Vocabulary(arrays["keys"].view(np.ndarray))
    idf = np.asarray(arrays["idf"], dtype=np.float32)
    ngrams = encode([text.text for text in texts], vocabulary, idf).matrix
    return sparse.csr_array(sparse.hstack([ngrams, sparse.csr_array(signal_matrix(texts))]).astype(np.float64))


def _moved_linear(arrays: Mapping[str, NDArray[Any]], used: NDArray[np.int64], step: Step) -> bytes:
    """Return the linear model with the step added and multiplied in; without a step it stays as it is."""
    moved = {key: np.array(array) for key, array in arrays.items()}
    if not _changed(step):
        return _npz(moved)
    count, outputs = len(moved["keys"]), len(moved["bias"])
    change, behind = step.weights[:-outputs], step.weights[-outputs:] / _MARGIN_SCALE
    through = (np.eye(outputs) + behind).astype(np.float32)
    weights = (moved["weights"] * moved["row_scale"][:, None]) @ through
    signals = moved["signal_weights"] @ through
    ngrams = used < count
    weights[used[ngrams]] += change[ngrams].astype(np.float32)
    signals[used[~ngrams] - count] += change[~ngrams].astype(np.float32)
    scale = np.maximum(np.abs(weights).max(axis=1), 1e-12) / 127.0
    moved["weights"] = np.rint(weights / scale[:, None]).astype(np.int8)
    moved["row_scale"] = scale.astype(np.float32)
    moved["signal_weights"] = signals.astype(np.float32)
    moved["bias"] = (moved["bias"] @ through + step.bias).astype(np.float32)
    return _npz(moved)


def _moved_blend(blend: Mapping[str, NDArray[np.float64]], step: Step) -> bytes:
    """Return the blend with the step behind it multiplied in: both are linear."""
    outputs = len(blend["bias"])
    behind, beside = step.weights[:outputs] / _MARGIN_SCALE, step.weights[outputs:] / _MARGIN_SCALE
    matrix = blend["matrix"] + blend["matrix"] @ behind
    matrix[-outputs:] += beside
    bias = blend["bias"] + blend["bias"] @ behind + step.bias
    return _npz({"matrix": matrix.astype(np.float32), "bias": bias.astype(np.float32)})


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]  # its stubs take the names for its own options
    return stream.getvalue()


def _shifts(thresholds: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return (outputs,) what is added to margins before an answer is taken, as :func:`proximal_step` wants it."""
    shifts = np.zeros(sum(len(values) for values in HEADS.values()))
    for head, columns in head_slices().items():
        entry = thresholds["tasks"][PRIMARY_OF.get(head, head)]
        if is_exclusive(head):
            given = [entry.get("offsets", {}).get(value, 0.0) for value in HEADS[head]]
        else:
            given = [-_odds(entry["decide"][value]) for value in HEADS[head]]
        shifts[columns] = given
    return shifts


def _odds(probability: float) -> float:
    clipped = float(np.clip(probability, 1e-4, 1.0 - 1e-4))
    return float(np.log(clipped / (1.0 - clipped)))


def _moved_thresholds(
    old: Mapping[str, Any], margins: NDArray[np.float32], values: NDArray[np.float32], known: NDArray[np.bool_]
) -> bytes:
    """Return thresholds between the old ones and the best of the corrections, by how many corrections there are.

    From which probability on an answer is automatic or a suggestion stays: corrections are no random sample.
    """
    moved = json.loads(json.dumps(old))
    precision = {key: old[key] for key in ("auto_precision", "suggest_precision")}
    labelled = {task: known[:, head_slices()[task].start] for task in TASKS}
    if any(rows.sum() < MIN_MESSAGES for rows in labelled.values()):
        # tasks without labels enough are filled with what cannot be used, and stay as they are below
        labelled = {task: rows for task, rows in labelled.items() if rows.sum() >= MIN_MESSAGES}
        known = known.copy()
        for head, columns in head_slices().items():
            if PRIMARY_OF.get(head, head) not in labelled:
                known[:, columns] = True
    best = choose_thresholds(probabilities_from_margins(margins), values, known, **precision)
    for task, rows in labelled.items():
        weight = rows.sum() / (rows.sum() + _PRIOR_MESSAGES)
        head = PRIMARY_EMOTION if task == "emotion" else task
        entry, new = moved["tasks"][task], best["tasks"][task]
        for part, columns in (("offsets", head_slices()[head]), ("decide", head_slices()[task])):
            support = values[rows, columns].sum(axis=0)
            common = [value for value, n in zip(TASKS[task].values, support, strict=True) if n >= _MIN_POSITIVES]
            if part not in new or not entry.get(part) or not common:
                continue
            mean = np.mean([entry[part][value] - new[part][value] for value in common])
            for value in common:
                if part == "offsets":  # only their differences mean anything
                    wanted = new[part][value] + mean
                    entry[part][value] = round((1.0 - weight) * entry[part][value] + weight * wanted, 4)
                else:
                    odds = (1.0 - weight) * _odds(entry[part][value]) + weight * _odds(new[part][value])
                    entry[part][value] = round(float(1.0 / (1.0 + np.exp(-odds))), 4)
    return json.dumps(moved, indent=1).encode() + b"\n"


def _measured(
    old: Bundle, new: Bundle, tests: Mapping[str, Sequence[LabelledMessage]], seed: int, progress: Progress
) -> dict[str, Comparison]:
    """Return the change by test file and speed, the speed that answers best first."""
    from complaint_nlp.analyzer import Analyzer

    both = all("encoder" in bundle.manifest.components for bundle in (old, new))
    speeds: tuple[Speed, ...] = ("accurate", "fast") if both else ("fast",)
    changes = {}
    for title, messages in tests.items():
        for speed in speeds if messages else ():
            before, after = (evaluate(Analyzer.load(bundle.path, speed=speed), messages) for bundle in (old, new))
            changes[f"{title}, {speed}"] = compare(before, after, seed=seed)
            progress("measuring", len(changes), len(tests) * len(speeds))
    return changes


def _refuse_worse(changes: Mapping[str, Comparison], title: str, *, force: bool) -> None:
    """Refuse a model that answers worse where it answers best, or clearly worse anywhere.

    Raises:
        WorseModelError: it does, and ``force`` is not given.
    """
    first = True
    for where, change in changes.items():
        worse = change.macro_f1_b < change.macro_f1_a if first else change.high < 0.0
        first = False
        if worse and not force:
            msg = (
                f"the new model is worse than {title}: mean macro-F1 {change.macro_f1_b:.4f} against "
                f"{change.macro_f1_a:.4f} on {where} (change {change.difference:+.4f}, 95 % interval "
                f"{change.low:+.4f} to {change.high:+.4f}); nothing was written; use --force to write it all the same"
            )
            raise WorseModelError(msg)


def _card(changes: Mapping[str, Comparison], heads: Mapping[str, tuple[str, ...]], messages: int) -> str:
    lines = [
        f"Trained further on {messages:,} corrected messages with complaint_nlp {__version__}.",
        "Figures above are those of the model it started from.",
        "",
        *(f"- {part}: {', '.join(names) or 'no head'} changed" for part, names in heads.items()),
        "",
        "| mean macro-F1 on | messages | before | after | change, 95 % interval |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, change in changes.items():
        interval = f"{change.difference:+.4f} ({change.low:+.4f} to {change.high:+.4f})"
        cells = (title, f"{change.messages:,}", f"{change.macro_f1_a:.4f}", f"{change.macro_f1_b:.4f}", interval)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n" + "\n".join(lines) + "\n"
