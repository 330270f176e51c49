"""A sending in words: each study on its way, arrived, opened."""

from dataclasses import dataclass
from hashlib import sha256

from django.utils.translation import gettext as _

from access.actor import Actor
from frontend.reports import Tone
from frontend.studies import StudyRow, make_row
from registry.models import SendRequest, Study
from registry.visibility import decide_studies
from repository.delivery.operating.sent import SentStudy, read_progress

RIGHT = "push"


@dataclass(frozen=True, slots=True)
class SentLine:
    """One study; `done` of `total` instances are at the department's systems, 0 of 0 where it has none."""

    row: StudyRow
    state: str
    tone: Tone
    detail: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SendingView:
    """One sending. `version` changes whenever something a reader can see has changed."""

    request: SendRequest
    lines: tuple[SentLine, ...]
    version: str


def may_send(actor: Actor, study: Study) -> bool:
    """Tell whether the actor may send a study now: one that the own unit keeps."""
    custodian = study.custodian
    return actor.may(RIGHT) and custodian is not None and custodian.unit_id == actor.scope.unit_id


def read_sending(actor: Actor, request: SendRequest) -> SendingView:
    """Read what became of a sending, of the studies that the actor may see."""
    sent_studies = read_progress(request)
    decisions = decide_studies(actor, [sent.study for sent in sent_studies])
    lines = tuple(_make_line(sent) for sent in sent_studies if decisions[sent.study.pk].permits)
    text = repr((request.withdrawn_at, [(line.state, line.detail, line.done, line.total) for line in lines]))
    return SendingView(request, lines, sha256(text.encode()).hexdigest()[:16])


def _make_line(sent: SentStudy) -> SentLine:
    state, tone = _describe(sent)
    return SentLine(
        row=make_row(sent.study),
        state=state,
        tone=tone,
        detail=_say_who(sent),
        done=sent.instances_arrived,
        total=sent.instances_planned,
    )


def _describe(sent: SentStudy) -> tuple[str, Tone]:
    if sent.opened_at:
        return _("Opened"), "ok"
    if sent.arrived_at and sent.instances_arrived >= sent.instances_planned:
        return _("Arrived"), "ok"
    if sent.instances_planned:
        return _("On its way"), "warn"
    if sent.is_listed:
        return _("On the worklist"), "ok"
    return _("Being prepared"), "quiet"


def _say_who(sent: SentStudy) -> str:
    if sent.opened_at and sent.opened_by:
        return _("opened by %(who)s") % {"who": sent.opened_by}
    return ""
