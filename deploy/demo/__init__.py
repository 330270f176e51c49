"""Filling an installation with the synthetic region: who there is, what was stored, what was asked and answered.

Studies go in through STOW-RS like anybody's; orders and reports are written as rows until their feeds exist.
May import everything.
"""
