"""Bytes in, bytes out, bytes on their way: store, retrieve, render, deliver.

May import registry and access.
"""
