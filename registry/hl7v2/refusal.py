"""Why a message is not taken, and where in it the reason lies.

Standard: HL7 v2.5.1 2.A.8 (table 0008), 2.14.5 (ERR), table 0357
"""

from dataclasses import dataclass

SEGMENT_SEQUENCE = "100"
REQUIRED_FIELD_MISSING = "101"
DATA_TYPE = "102"
TABLE_VALUE_NOT_FOUND = "103"
UNSUPPORTED_MESSAGE_TYPE = "200"
UNSUPPORTED_EVENT = "201"
UNSUPPORTED_PROCESSING_ID = "202"
UNSUPPORTED_VERSION = "203"
UNKNOWN_KEY = "204"
DUPLICATE_KEY = "205"
INTERNAL_ERROR = "207"

MEANINGS = {
    SEGMENT_SEQUENCE: "Segment sequence error",
    REQUIRED_FIELD_MISSING: "Required field missing",
    DATA_TYPE: "Data type error",
    TABLE_VALUE_NOT_FOUND: "Table value not found",
    UNSUPPORTED_MESSAGE_TYPE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    UNSUPPORTED_VERSION: "Unsupported version id",
    UNKNOWN_KEY: "Unknown key identifier",
    DUPLICATE_KEY: "Duplicate key identifier",
    INTERNAL_ERROR: "Application internal error",
}


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a message: `PID`, its how-manieth (from 1), its field, of that the repetition and component."""

    segment: str
    sequence: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0

    def __str__(self) -> str:
        name = self.segment if self.sequence == 1 else f"{self.segment}[{self.sequence}]"
        return (
            name + (f"-{self.field}" if self.field else "") + (f".{self.component}" if self.component else "")
        )


class RefusedMessage(ValueError):
    """A message that is not taken: what it says is wrong (AE), and sending it again changes nothing."""

    acknowledgment_code = "AE"

    def __init__(self, code: str, text: str, location: Location | None = None) -> None:
        super().__init__(f"{location}: {text}" if location else text)
        self.code = code
        self.location = location


class RejectedMessage(RefusedMessage):
    """A message that is none of ours to judge (AR): of a kind, version or sender that is not taken, or not now."""

    acknowledgment_code = "AR"
