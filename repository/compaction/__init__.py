"""Compaction: `plan` says what is worth writing together, `copying` writes it, `compact` moves the rows."""
