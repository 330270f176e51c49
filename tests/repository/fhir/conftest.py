"""The fixtures of the FHIR doors, for those that move bytes."""

from tests.registry.fhir.conftest import ask, department, token_of

__all__ = ["ask", "department", "token_of"]
