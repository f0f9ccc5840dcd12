"""From labels to urgency with reasons, a department, a deadline and an escalation."""
