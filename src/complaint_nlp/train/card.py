"""The model card: what a model was trained on, how, and what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.train.linear import LinearOptions, options_summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_nlp.evaluation import Evaluation
    from complaint_nlp.train.encoder.export import ExportCheck
    from complaint_nlp.train.encoder.stages import EncoderOptions

# what model hubs read: https://huggingface.co/docs/hub/model-cards
_HEADER: Final = """---
language: zh
library_name: complaint_nlp
pipeline_tag: text-classification
tags:
- complaints
- customer-service
---"""


def model_card(
    name: str,
    trained_with: str,
    options: LinearOptions,
    evaluations: Mapping[str, Evaluation],
    thresholds: Mapping[str, Any],
    notes: str,
    encoder: str = "",
) -> str:
    """Return the card in Markdown.

    Args:
        name: name of the model.
        trained_with: the training data in one line.
        options: how it was trained.
        evaluations: figures by title.
        thresholds: content of the calibration file.
        notes: Markdown by the people who trained it: data, licences, limits.
        encoder: Markdown on the encoder, where the bundle has one.
    """
    parts = [
        _HEADER,
        f"# {name}",
        f"Model of [complaint_nlp](https://pypi.org/project/complaint-nlp/). Trained with {trained_with}.",
        notes.strip(),
        "## Method",
        encoder,
        (
            f"{'The linear model: character' if encoder else 'Character'} 1- to 4-grams, jieba words and signal counts "
            "of the simplified text; per value the mean of two "
            "L2-regularised logistic regressions (plain and log-count-ratio features); calibrated on margins predicted "
            "out of fold; thresholds averaged over resamples; weights stored as "
            f"8-bit integers. Options: {options_summary(options)}."
        ),
        (
            "`auto` answers reached a precision of "
            f"{thresholds['auto_precision']:.2f} out of fold, `suggest` and above "
            f"{thresholds['suggest_precision']:.2f}; values that never reached it are never decided that way."
        ),
        "## Figures",
        (
            "Macro-F1 is the mean over the values that occur in the reference labels. Quadratically weighted kappa in "
            "brackets where the values are a scale. Out-of-fold answers come from models and calibrations that have "
            "not seen the message, with thresholds chosen on all of these answers; the test files were not used in "
            "training."
        ),
        _overview(evaluations),
    ]
    tested = {title: result for title, result in evaluations.items() if not title.startswith("out of fold")}
    for title, result in (tested or dict(evaluations)).items():
        parts += [f"### {title}, by value", _by_value(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _overview(evaluations: Mapping[str, Evaluation]) -> str:
    names = list(dict.fromkeys(name for result in evaluations.values() for name in result.tasks))
    lines = ["| measured on | messages | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for title, result in evaluations.items():
        cells = []
        for name in names:
            score = result.tasks.get(name)
            kappa = f" ({score.kappa:.3f})" if score is not None and score.kappa is not None else ""
            cells.append(f"{score.macro_f1:.3f}{kappa}" if score is not None else "")
        lines.append(f"| {title} | {result.messages:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by_value(evaluation: Evaluation) -> str:
    lines = ["| task | value | precision | recall | F1 | support |", "| --- " * 6 + "|"]
    for task, score in evaluation.tasks.items():
        for value, figures in score.values.items():
            numbers = f"{figures.precision:.2f} | {figures.recall:.2f} | {figures.f1:.2f} | {figures.support:,}"
            lines.append(f"| {task} | {value} | {numbers} |")
    return "\n".join(lines)


def encoder_method(
    base: str | Path, options: EncoderOptions, check: ExportCheck, sure: float, teacher: str | None
) -> str:
    """Return how the encoder was made, in Markdown.

    Args:
        base: what it started from.
        options: how it was trained.
        check: how far the stored model is from the trained one.
        sure: from which sureness the linear model answers alone in ``balanced``.
        teacher: name of the model that labelled the unlabelled texts; the linear one when ``None``.
    """
    labelled_by = "the linear model" if teacher is None else f"{teacher} (distillation)"
    networks = (
        ""
        if options.folds_run == 1
        else (f" The weights are the mean of those of {options.folds_run} networks, each tuned without one fifth.")
    )
    layers = "all layers" if options.layers is None else f"the first {options.layers} layers"
    return (
        f"The encoder: {layers} of {Path(base).name}, warmed up on texts labelled by {labelled_by} and "
        f"on public sets, then tuned on the labelled messages; heads pool the scores of tokens.{networks} Its logits "
        "and the linear margins are blended by logistic regressions on messages that neither has seen. "
        f"Options: {options}.\n\n"
        "Stored as ONNX with 8-bit integers, multiplied as such, and trained so; on "
        f"{check.texts:,} texts the largest difference of a probability to the trained network is "
        f"{check.largest_difference:.3f}, the mean {check.mean_difference:.4f}, and {check.share_above:.1%} of the "
        "texts have a difference above 0.05.\n\n"
        f"In `balanced` the linear model answers alone where its sureness reaches {sure:.3f}."
    )
