"""Rebuilding the index from packs and journal.

`verdicts` reads the journal, `parse` reads packs, `index` writes the rows, `rebuild` does it all in order.
"""
