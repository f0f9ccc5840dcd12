"""Training of models from labelled messages."""

from complaint_nlp.labelled import LabelledMessage, read_labelled

__all__ = ["LabelledMessage", "read_labelled"]
