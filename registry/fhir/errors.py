"""What may be wrong with a FHIR request, as the broken rule; `status.py` turns each into an answer."""

Rule = tuple[type[Exception], int, str]
"""What an exception becomes: its class, the HTTP status, the code of the issue (IssueType)."""


class FhirError(ValueError):
    """A broken rule; `expression` says in which element or parameter, as a FHIRPath."""

    def __init__(self, message: str, expression: str = "") -> None:
        super().__init__(message)
        self.expression = expression


class MalformedResource(FhirError):
    """The body is no resource, or has elements that its type does not know."""


class UnsupportedFormat(FhirError):
    """The body is in a format, or a character set, that is not read here."""


class InvalidParameter(FhirError):
    """A parameter has a value, or a modifier, that cannot be read."""


class UnknownParameter(FhirError):
    """A parameter is not known here, and the client asked to be told so."""


class UnknownResource(FhirError):
    """No such resource, or none that the actor may see: the same answer for both."""


class DeletedResource(FhirError):
    """It was there, in sight of the actor, and was removed."""


class UnheldContent(FhirError):
    """The resource is well formed and says something that cannot be held here; nothing was kept."""


class ImpossibleInteraction(FhirError):
    """The resource has no such interaction."""


class VersionConflict(FhirError):
    """The client wanted to change another version than the one that is there."""


class Forbidden(FhirError, PermissionError):
    """The caller is known and lacks the permission for this."""
