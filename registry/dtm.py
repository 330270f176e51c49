"""Times of document metadata: HL7 DTM in UTC, as precise as whoever wrote it knew.

Standard: IHE ITI TF-3 table 4.2.3.1.7-2 (DTM)
"""

import re
from datetime import UTC, datetime

_DTM = re.compile(r"\d{4}(\d\d(\d\d(\d\d(\d\d(\d\d)?)?)?)?)?", re.ASCII)
_FIRST = "00000101000000"


def is_dtm(text: str) -> bool:
    """Tell whether a text is a time that exists, from the year alone down to the second."""
    if not _DTM.fullmatch(text):
        return False
    try:
        datetime.strptime(first_second(text), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def first_second(text: str) -> str:
    """Return the first second that a time can mean, 14 digits; empty stays empty."""
    return text + _FIRST[len(text) :] if text else ""


def write_dtm(moment: datetime) -> str:
    """Write a moment to the second."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")
