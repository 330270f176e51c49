"""Which delivery goes next, who holds it, and what happens when it fails."""
