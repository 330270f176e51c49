"""Deliveries in words, for those who keep distribution: a study is named by what it is and where from, no patient."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from access.actor import Actor
from access.reach import DESTINATIONS, REPLAY
from frontend.modalities import Badge, make_study_badge
from frontend.people import format_date
from frontend.reports import Tone
from frontend.route import describe_state, name_kind_of_delivery, say_answer
from frontend.studies import name_hospital
from registry.models import Destination, Study
from repository.delivery.operating.listing import (
    MOVING,
    DeliveryFilter,
    deliveries_kept_by,
    narrow,
    read_page,
)
from repository.delivery.operating.operate import verifiable
from repository.delivery.operating.reasons import explain
from repository.models import Delivery

REPLAYED = frozenset({Delivery.DEAD, Delivery.WITHDRAWN, Delivery.DELIVERED})
VERIFIED = frozenset({Delivery.DEAD, Delivery.DELIVERED})


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery; `done` and `total` count instances."""

    pk: int
    badge: Badge
    study: str
    place: str
    accession_number: str
    study_instance_uid: str
    destination: Destination
    kind: str
    priority: str
    state: str
    tone: Tone
    word: str
    reason: str
    answer: str
    attempts: int
    done: int
    total: int
    planned_at: datetime
    delivered_at: datetime | None
    acts: tuple[tuple[str, str], ...]

    @property
    def can_verify(self) -> bool:
        """Tell whether the reader may have the receiver asked again whether it has everything."""
        return any(act == "verify" for act, _name in self.acts)


@dataclass(frozen=True, slots=True)
class DeliveryLines:
    """One page of deliveries; `following` is where the next one begins."""

    lines: tuple[DeliveryLine, ...]
    following: int | None


def list_deliveries(
    keeper: Actor, wanted: DeliveryFilter, *, before: int | None = None, most: int = 50
) -> DeliveryLines:
    """List what somebody keeps, newest first."""
    rows = narrow(deliveries_kept_by(keeper), wanted).select_related("study__custodian__unit")
    rows = rows.annotate(can_verify=Exists(verifiable(Delivery.objects.filter(pk=OuterRef("pk")))))
    page = read_page(rows, before=before, most=most)
    return DeliveryLines(tuple(_make_line(keeper, row) for row in page.rows), page.following)


def name_priority(priority: str) -> str:
    """Name a priority."""
    names = {"urgent": _("Urgent"), "normal": _("Normal"), "prior": _("Earlier study"), "bulk": _("In bulk")}
    return names.get(priority, priority)


def _make_line(keeper: Actor, row: Delivery) -> DeliveryLine:
    study: Study = row.study
    state, tone = describe_state(row)
    return DeliveryLine(
        pk=row.pk,
        badge=make_study_badge(study.modalities_in_study),
        study=f"{study.study_description or _('Study without description')} {format_date(study.study_date)}",
        place=name_hospital(study),
        accession_number=study.accession_number,
        study_instance_uid=study.study_instance_uid,
        destination=row.destination,
        kind=name_kind_of_delivery(row.kind),
        priority=name_priority(row.priority),
        state=state,
        tone=tone,
        word=row.state,
        reason=explain(row),
        answer=say_answer(row),
        attempts=row.attempts,
        done=getattr(row, "arrived", 0),
        total=getattr(row, "total", 0),
        planned_at=row.planned_at,
        delivered_at=row.delivered_at,
        acts=list_acts(keeper, (row.state,), can_verify=getattr(row, "can_verify", False)),
    )


def list_acts(
    keeper: Actor, states: Iterable[str], *, can_verify: bool = True
) -> tuple[tuple[str, str], ...]:
    """Return what somebody may do to deliveries in one of these states: the act, and its name."""
    keeps, replays = keeper.may(DESTINATIONS), keeper.may(REPLAY)
    unsent = {Delivery.READY, Delivery.WAITING_WINDOW, Delivery.AWAITING_BASIS}
    asked = set(states)
    acts = (
        ("hold", _("Hold"), keeps and bool(asked & (unsent | set(MOVING)))),
        ("release", _("Release"), keeps and Delivery.HELD in asked),
        ("retry", _("Try now"), keeps and Delivery.READY in asked),
        ("withdraw", _("Withdraw"), keeps and bool(asked & (unsent | {Delivery.HELD} | set(MOVING)))),
        ("verify", _("Verify again"), replays and can_verify and bool(asked & VERIFIED)),
        ("replay", _("Send again"), replays and bool(asked & REPLAYED)),
    )
    return tuple((act, name) for act, name, is_possible in acts if is_possible)
