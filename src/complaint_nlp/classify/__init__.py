"""From normalised messages to calibrated probabilities, decisions and evidence."""
