"""Measuring answers against labelled messages."""

from complaint_nlp.evaluation.metrics import Evaluation, TaskScore, ValueScore, evaluate, evaluate_labels

__all__ = ["Evaluation", "TaskScore", "ValueScore", "evaluate", "evaluate_labels"]
