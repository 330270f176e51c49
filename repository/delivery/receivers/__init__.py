"""The systems of departments: one module a kind, and how each is reached, trusted and asked."""
