"""Labelling many messages: batches of columns and whole files."""

from complaint_nlp.batch.columns import label_batch, labelled_schema
from complaint_nlp.batch.files import label
from complaint_nlp.batch.options import LabelOptions, LabelSummary

__all__ = ["LabelOptions", "LabelSummary", "label", "label_batch", "labelled_schema"]
