"""Settings profiles: base, embedded, production, test."""
