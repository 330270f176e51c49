"""Seals over the access log: batches of settled rows, hashed, chained, signed, exported and verified."""
