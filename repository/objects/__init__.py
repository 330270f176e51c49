"""Where packs lie: a directory or a bucket behind one interface."""
