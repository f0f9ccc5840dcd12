"""What to say and do."""
