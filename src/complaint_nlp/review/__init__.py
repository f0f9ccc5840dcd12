"""The correction loop: which messages a person should look at, what they changed, and whether messages have changed."""

from complaint_nlp.review.apply import ApplySummary, apply
from complaint_nlp.review.drift import Drift, drift
from complaint_nlp.review.suggest import Suggestion, suggest

__all__ = ["ApplySummary", "Drift", "Suggestion", "apply", "drift", "suggest"]
