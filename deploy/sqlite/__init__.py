"""SQLite backend with the turnstile: one writer at a time, first come first served."""
