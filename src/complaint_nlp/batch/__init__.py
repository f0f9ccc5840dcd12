"""Labelling whole files."""

from complaint_nlp.batch.files import LabelSummary, label_file

__all__ = ["LabelSummary", "label_file"]
