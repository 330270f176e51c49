"""FHIR doors that move bytes: documents out (ITI-68) and in (ITI-65, ITI-105)."""
