"""The HTTP service: ``complaint-nlp serve``, or ``create_app`` in a server of your own. Needs the extra ``serve``."""
