"""Telling systems of documents (IHE DSUBm): what they asked for, what is to be told, and telling them."""
