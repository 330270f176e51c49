"""The alarm: what is stored is not what was stored. A row for `doctor`, a line in the log, never a wrong byte."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import DatabaseError
from django.utils import timezone

from access.database import release, run_write
from repository.models import Damage, Pack
from repository.objects.base import TruncatedObject, UnknownObject
from repository.packs.layout import InvalidPack
from repository.packs.reader import CorruptBlock, RangeOutsidePack

log = logging.getLogger(__name__)

DAMAGES = (CorruptBlock, InvalidPack, RangeOutsidePack, TruncatedObject, UnknownObject)
DETAIL_LENGTH = 300


@contextmanager
def alarmed(pack_key: str, sop_instance_uid: str = "", study_instance_uid: str = "") -> Iterator[None]:
    """Raise the alarm for what turns out to be damaged while it is read; the error goes on to the reader."""
    try:
        yield
    except DAMAGES as error:
        note_damage(pack_key, f"{type(error).__name__}: {error}", sop_instance_uid, study_instance_uid)
        raise


def note_damage(pack_key: str, detail: str, sop_instance_uid: str = "", study_instance_uid: str = "") -> None:
    """Write down that an instance, or a pack as a whole, is not as it was stored.

    A pack that is not live is no damage: it was compacted or swept, and the reader plans once more. The
    database being away too does not hide the first error: it is in the log.
    """
    try:
        is_noted = run_write(lambda: _note(pack_key, detail, sop_instance_uid, study_instance_uid))
    except DatabaseError:
        log.exception("damage could not be written down")
        is_noted = True
    finally:
        release()
    if is_noted:
        log.error("DAMAGE in %s, instance %s: %s", pack_key, sop_instance_uid or "unknown", detail)


def mend(pack_key: str, sop_instance_uids: Collection[str] | None = None) -> int:
    """Note that a pack, or some instances of it, were found whole again or are gone; returns how many were not."""
    rows = Damage.objects.filter(pack_key=pack_key, mended_at=None)
    if sop_instance_uids is not None:
        rows = rows.filter(sop_instance_uid__in=sop_instance_uids)
    return run_write(lambda: rows.update(mended_at=timezone.now()))


def _note(pack_key: str, detail: str, sop_instance_uid: str, study_instance_uid: str) -> bool:
    live = Pack.objects.filter(key=pack_key, state=Pack.LIVE)
    if not live.update(last_scrubbed_at=None):  # the scrub looks at all of it next
        return False
    Damage.objects.update_or_create(
        pack_key=pack_key,
        sop_instance_uid=sop_instance_uid,
        defaults={
            "study_instance_uid": study_instance_uid,
            "detail": detail[:DETAIL_LENGTH],
            "found_at": timezone.now(),
            "mended_at": None,
        },
    )
    return True
