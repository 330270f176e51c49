"""The body of a request that carries documents, and what is wrong with a submission as OperationOutcome."""

from django.http import HttpRequest

from registry.fhir.formats import check_content_type
from registry.fhir.outcome import join_issues
from registry.fhir.structure import Resource
from registry.submission import RegistryError
from registry.wire.request_body import RequestBody

MAX_BUNDLE_BYTES = 64 * 1024 * 1024
ERROR_CODES = "https://profiles.ihe.net/ITI/TF/Volume3/ch-4.2.html#4.2.4.1"
_ISSUES = {
    "XDSUnknownPatientId": "not-found",
    "XDSPatientIdDoesNotMatch": "conflict",
    "XDSDuplicateUniqueIdInRegistry": "duplicate",
    "XDSRegistryDuplicateUniqueIdInMessage": "duplicate",
    "XDSNonIdenticalHash": "conflict",
    "XDSNonIdenticalSize": "conflict",
    "UnresolvedReferenceException": "not-found",
    "XDSMissingDocument": "required",
    "XDSMissingDocumentMetadata": "required",
}


def read_whole(request: HttpRequest) -> tuple[bytes, str]:
    """Return the body of a request and whether it is JSON or XML.

    Raises
    ------
    UnsupportedFormat, BodyTooLarge, TruncatedBody
    """
    kind = check_content_type(request.META.get("CONTENT_TYPE", ""))
    body = RequestBody(request.META, max_bytes=MAX_BUNDLE_BYTES)
    pieces = []
    while piece := body.read(1 << 16):
        pieces.append(piece)
    body.verify_length()
    return b"".join(pieces), kind


def outcome_of(errors: tuple[RegistryError, ...]) -> Resource:
    """Say what is wrong with a submission, with the codes of document sharing. Standard: IHE ITI TF-3 4.2.4.1"""
    return join_issues(*(_issue_of(error) for error in errors))


def _issue_of(error: RegistryError) -> Resource:
    return {
        "severity": "warning" if error.is_warning else "error",
        "code": _ISSUES.get(error.code, "business-rule"),
        "details": {"coding": [{"system": ERROR_CODES, "code": error.code}], "text": error.code},
        "diagnostics": error.context or error.code,
    }
