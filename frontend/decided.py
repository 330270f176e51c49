"""What a patient decided, for those who keep it: consents, blocks and lifts with their history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from access.actor import Actor
from access.models import User
from frontend.care_state import end_as_read
from frontend.people import format_date
from frontend.reports import Tone
from registry.fhir.consents.rows import may_see
from registry.models import Block, BlockLift, Consent

KEEPERS = ("grant_consent", "register_block", "lift_block")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: what it says, since when, until when, who registered it, and how it ended."""

    pk: int
    title: str
    notes: tuple[str, ...]
    since: datetime
    until: datetime | None
    registered_by: str
    state: str
    tone: Tone
    is_active: bool
    ending: str = ""
    lifts: tuple["Line", ...] = ()
    may_end: bool = False
    may_lift: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """All of a patient's that the actor may see: what holds first, then the newest."""

    consents: tuple[Line, ...]
    blocks: tuple[Line, ...]


def read_decided(actor: Actor, patient_id: int) -> Decided:
    """Read consents and blocks with their lifts, as far as the actor keeps them."""
    now = timezone.now()
    consents = Consent.objects.filter(patient=patient_id).select_related(
        "recipient_provider", "recipient_unit", "recipient_user"
    )
    blocks = Block.objects.filter(patient=patient_id).select_related("provider", "unit__provider")
    seen_consents = [row for row in consents.order_by("-pk") if may_see(actor, row)]
    seen_blocks = [row for row in blocks.order_by("-pk") if may_see(actor, row)]
    lifts = _lifts_of(seen_blocks)
    names = _names_of([*seen_consents, *seen_blocks, *lifts])
    return Decided(
        consents=_active_first(_consent_line(actor, row, names, now) for row in seen_consents),
        blocks=_active_first(_block_line(actor, row, lifts, names, now) for row in seen_blocks),
    )


def find_names(usernames: Iterable[str]) -> dict[str, str]:
    """Return the names of people by user name; of those who are no longer there, nothing."""
    rows = User.objects.filter(username__in=set(usernames))
    return {row.username: row.get_full_name() or row.username for row in rows}


def _lifts_of(blocks: list[Block]) -> list[BlockLift]:
    rows = BlockLift.objects.filter(block__in=blocks).select_related("unit", "user", "block")
    return list(rows.order_by("-pk"))


def _names_of(rows: Iterable[Consent | Block | BlockLift]) -> dict[str, str]:
    enders = [
        getattr(row, name, "") for row in rows for name in ("registered_by", "withdrawn_by", "cancelled_by")
    ]
    return find_names(name for name in enders if name)


def _active_first(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: not line.is_active))


def _consent_line(actor: Actor, row: Consent, names: dict[str, str], now: datetime) -> Line:
    recipient = row.recipient_provider or row.recipient_unit
    user = row.recipient_user
    kinds = {
        "consent": _("Consent by the patient"),
        "guardian": _("Consent by the guardian"),
        "incapacity": _("The patient cannot decide"),
    }
    notes = [_("For %(recipient)s") % {"recipient": recipient or (user.get_full_name() if user else "")}]
    basis = {"assessed_by": _("Assessed by"), "attitude": _("Attitude"), "necessary_care": _("Care")}
    notes += [f"{basis[name]}: {text}" for name, text in row.basis.items() if name in basis]
    if row.text_version:
        notes.append(_("Text version %(version)s") % {"version": row.text_version})
    is_active = row.withdrawn_at is None and row.valid_to > now
    return Line(
        pk=row.pk,
        title=kinds.get(row.kind, row.kind),
        notes=tuple(notes),
        since=row.valid_from,
        until=end_as_read(row.valid_to),
        registered_by=names.get(row.registered_by, row.registered_by),
        state=_("Holds") if is_active else _("Withdrawn") if row.withdrawn_at else _("Over"),
        tone="ok" if is_active else "quiet",
        is_active=is_active,
        ending=_end_words(row.withdrawn_at, names.get(row.withdrawn_by, row.withdrawn_by)),
        may_end=is_active and actor.may("grant_consent"),
    )


def _block_line(
    actor: Actor, row: Block, lifts: list[BlockLift], names: dict[str, str], now: datetime
) -> Line:
    holder = row.provider or row.unit
    provider_id = row.provider_id or (row.unit.provider_id if row.unit else None)
    is_active = row.cancelled_at is None
    ending = _end_words(row.cancelled_at, names.get(row.cancelled_by, row.cancelled_by))
    return Line(
        pk=row.pk,
        title=_("Block of %(holder)s") % {"holder": holder},
        notes=tuple(_block_notes(row)),
        since=row.valid_from,
        until=None,
        registered_by=names.get(row.registered_by, row.registered_by),
        state=_("Holds") if is_active else _("Cancelled"),
        tone="warn" if is_active else "quiet",
        is_active=is_active,
        ending=" · ".join(text for text in (ending, row.cancel_reason) if text),
        lifts=tuple(_lift_line(actor, lift, names, now) for lift in lifts if lift.block_id == row.pk),
        may_end=is_active and actor.may("register_block") and provider_id == actor.scope.provider_id,
        may_lift=is_active and not row.is_absolute and actor.may("lift_block"),
    )


def _block_notes(row: Block) -> Iterable[str]:
    yield (
        _("Outer block: a care provider's data") if row.provider_id else _("Inner block: a care unit's data")
    )
    if row.data_from or row.data_to:
        period = f"{format_date(row.data_from)} – {format_date(row.data_to)}".strip()
        yield _("Studies %(period)s") % {"period": period}
    if row.is_silent:
        yield _("Silent")
    if row.is_absolute:
        yield _("Absolute")


def _lift_line(actor: Actor, row: BlockLift, names: dict[str, str], now: datetime) -> Line:
    is_active = row.cancelled_at is None and row.valid_to > now
    reach = row.user.get_full_name() if row.user else _("everybody there")
    basis = {"consent": _("by consent"), "emergency": _("in an emergency")}
    return Line(
        pk=row.pk,
        title=_("Lifted for %(unit)s, %(who)s") % {"unit": row.unit, "who": reach},
        notes=(
            basis.get(row.basis, row.basis),
            _("Asked for by %(who)s") % {"who": row.requested_by},
            row.reason,
        ),
        since=row.valid_from,
        until=row.valid_to,
        registered_by=names.get(row.registered_by, row.registered_by),
        state=_("Open") if is_active else _("Ended") if row.cancelled_at else _("Over"),
        tone="bad" if is_active else "quiet",
        is_active=is_active,
        ending=_end_words(row.cancelled_at, ""),
        may_end=is_active
        and actor.may("lift_block")
        and (row.unit_id == actor.scope.unit_id or _is_kept_by(actor, row.block)),
    )


def _is_kept_by(actor: Actor, block: Block) -> bool:
    if block.unit_id is not None:
        return block.unit_id == actor.scope.unit_id
    return block.provider_id == actor.scope.provider_id


def _end_words(moment: datetime | None, who: str) -> str:
    if moment is None:
        return ""
    when = f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
    return (
        _("Ended %(when)s by %(who)s") % {"when": when, "who": who}
        if who
        else _("Ended %(when)s") % {"when": when}
    )
