"""The way of a study through several installations, so that it goes round no circle.

A sender states the installations that a study has passed, its own last, in the header `Samsyn-Path` of a store request.
Who finds itself there has it and refuses with 508, naming itself in `Samsyn-Installation`; the sender keeps that with
the destination. Data sets are not touched: the way is no part of the examination.

Standard: RFC 5842 7.2 (508 Loop Detected)
"""

import hmac
import re
from collections.abc import Iterable, Sequence

from django.conf import settings

from access.rows import insert_many
from registry.models import Hop, Study

PATH_HEADER = "Samsyn-Path"
NAME_HEADER = "Samsyn-Installation"
MOST_HOPS = 8
_NAME = re.compile(r"[0-9a-f]{32}")


class MalformedPath(ValueError):
    """The stated way is no list of installations."""


class LoopDetected(ValueError):
    """What is sent has been here, or has passed too many installations."""


def installation_name() -> str:
    """Return the name of this installation: of its secret key, the same in every process, telling nothing of it."""
    return hmac.new(settings.SECRET_KEY.encode(), b"samsyn installation", "sha256").hexdigest()[:32]


def read_path(text: str) -> tuple[str, ...]:
    """Read the header in which a sender states the way.

    Raises
    ------
    MalformedPath, LoopDetected
    """
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if len(names) > MOST_HOPS:
        raise LoopDetected(f"the study has passed {len(names)} installations; at most {MOST_HOPS} are taken")
    if not all(_NAME.fullmatch(name) for name in names):
        raise MalformedPath(f"{PATH_HEADER} is a list of at most {MOST_HOPS} names of 32 hexadecimal digits")
    if installation_name() in names:
        raise LoopDetected("the study has come from this installation; it is not taken back")
    return names


def write_path(study: Study) -> str:
    """Return the header for a study that leaves here."""
    return ", ".join([*hops_of(study), installation_name()])


def hops_of(study: Study) -> tuple[str, ...]:
    """Return the installations that a study has passed, in the order in which they were first stated."""
    return tuple(Hop.objects.filter(study=study).order_by("pk").values_list("installation", flat=True))


def note_hops(study_ids: Iterable[int], path: Sequence[str]) -> None:
    """Keep the way of studies; in the transaction that stores them, before anybody can plan them."""
    if path:
        rows = [(study_id, name) for study_id in sorted(study_ids) for name in path]
        insert_many(Hop, ("study", "installation"), rows)
