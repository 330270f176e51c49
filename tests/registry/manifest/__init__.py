"""Manifests: written, read, and held to other people's readers."""
