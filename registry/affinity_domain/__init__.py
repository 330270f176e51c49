"""The affinity domain: its shapes, how its file is read and held to rules, and the one that is shipped."""
