"""The one table from what went wrong to the status of a DIMSE response.

Standard: PS3.7 C, PS3.4 B.2.3, C.4.1 to C.4.3
"""

import logging

from pydicom.dataset import Dataset

from access.audit import UnrecordedAccess
from access.credentials import Unauthenticated
from registry.matching import InvalidSearch
from registry.search import SearchTooBroad
from registry.visibility import UnknownStudy
from repository.dimse.identifiers import InvalidIdentifier
from repository.store_commit import StorageBusy

log = logging.getLogger(__name__)

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = 0xFF00
PENDING_WITHOUT_SOME_KEYS = 0xFF01
NOT_AUTHORISED = 0x0124
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Unauthenticated, NOT_AUTHORISED),
    (PermissionError, NOT_AUTHORISED),
    (InvalidIdentifier, DOES_NOT_MATCH),
    (InvalidSearch, DOES_NOT_MATCH),
    (SearchTooBroad, OUT_OF_RESOURCES),
    (StorageBusy, OUT_OF_RESOURCES),
    (UnrecordedAccess, OUT_OF_RESOURCES),
    (UnknownStudy, UNABLE_TO_PROCESS),
)
_COMMENT_LENGTH = 64


def make_status(status: int, comment: str = "") -> Dataset:
    """Make the status of a response, with an error comment where there is something to say."""
    response = Dataset()
    response.Status = status
    if comment:
        response.ErrorComment = comment[:_COMMENT_LENGTH]
    return response


def status_of(error: Exception) -> Dataset:
    """Return the status that says what went wrong; what nobody thought of is logged and said without details."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return make_status(status, str(error))
    log.error("a DIMSE request failed", exc_info=error)
    return make_status(PROCESSING_FAILURE, "the request failed here; it is logged")
