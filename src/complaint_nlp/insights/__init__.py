"""What many labelled messages say together: frequencies, rises, hot-spots, same cases, answer times, causes."""

from complaint_nlp.insights.insights import Insights

__all__ = ["Insights"]
