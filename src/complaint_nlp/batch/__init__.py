"""Labelling many messages: batches of columns and whole files."""

from complaint_nlp.batch.columns import label_batch, labelled_schema
from complaint_nlp.batch.files import LabelSummary, label_file

__all__ = ["LabelSummary", "label_batch", "label_file", "labelled_schema"]
