"""The journal: what the bytes of packs cannot say, as hash-chained lines beside them.

`entries` makes lines of changes, `files` writes and reads the chain, `duty` keeps it up.
"""
