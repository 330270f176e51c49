"""Seals over the access log."""
