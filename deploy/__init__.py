"""Composition root: settings, URLs, processes, duties, management commands. May import everything."""
