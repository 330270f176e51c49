"""The errors that only transfers of documents have, as statuses of the FHIR door.

Standard: RFC 6585 4, RFC 9110 15.5.17, 15.6.4
"""

from registry.fhir.errors import Rule
from repository.admission import AllPlacesTaken, ShareUsedUp
from repository.conditions import UnsatisfiableRange

TRANSFER_ERRORS: tuple[Rule, ...] = (
    (ShareUsedUp, 429, "throttled"),
    (AllPlacesTaken, 503, "throttled"),
    (UnsatisfiableRange, 416, "value"),
)
