"""Patients, studies, documents, consent, subscriptions: metadata and identity. May import access."""
