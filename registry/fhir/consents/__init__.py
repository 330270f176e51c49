"""Consents, blocks and lifts as FHIR Consent: which may be seen, their form, and what a sent one asks for."""
