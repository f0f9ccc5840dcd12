"""The case base: solved cases in one file, found again by their meaning and their labels."""

from complaint_nlp.cases.base import CaseBase
from complaint_nlp.cases.types import Case, CaseStatus, ImportSummary, Rejected, SimilarCase, labels_of

__all__ = ["Case", "CaseBase", "CaseStatus", "ImportSummary", "Rejected", "SimilarCase", "labels_of"]
