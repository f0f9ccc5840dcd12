"""Measuring answers against labelled messages."""

from complaint_nlp.evaluation.agreement import Agreement, TaskAgreement, agreement, krippendorff_alpha
from complaint_nlp.evaluation.bootstrap import Interval
from complaint_nlp.evaluation.calibration import Calibration
from complaint_nlp.evaluation.compare import Comparison, TaskComparison, compare
from complaint_nlp.evaluation.metrics import evaluate, evaluate_labels
from complaint_nlp.evaluation.result import Evaluation
from complaint_nlp.evaluation.scores import TaskScore, ValueScore
from complaint_nlp.evaluation.slices import Slice

__all__ = [
    "Agreement",
    "Calibration",
    "Comparison",
    "Evaluation",
    "Interval",
    "Slice",
    "TaskAgreement",
    "TaskComparison",
    "TaskScore",
    "ValueScore",
    "agreement",
    "compare",
    "evaluate",
    "evaluate_labels",
    "krippendorff_alpha",
]
