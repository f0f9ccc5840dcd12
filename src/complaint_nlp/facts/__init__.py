"""Facts: what a message says beside what it complains about."""
