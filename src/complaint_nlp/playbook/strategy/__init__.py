"""What to do: a plan from labels, facts and files that people edit."""
