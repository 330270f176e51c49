"""Why a study was, or was not, sent to a destination: one plain sentence with the rule behind it."""

from collections.abc import Callable, Iterable

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext, gettext_noop

from access.models import Department
from registry.harmonise.vocabulary import REGION_NAMES
from registry.hops import hops_of
from registry.models import Destination, Study, Subscription
from registry.wishes.facts import StudyFacts, read_facts
from registry.wishes.filter import (
    Filter,
    Flag,
    Group,
    Node,
    Not,
    Owner,
    UnknownFilter,
    ValueTest,
    read_filter,
)
from registry.wishes.matching import holds
from registry.wishes.sentence import write_filter
from registry.wishes.states import effective_state
from repository.delivery.decide import find_obstacle
from repository.delivery.operating.reasons import explain, say_reason
from repository.delivery.planning.content import contents_wanted
from repository.models import Delivery

NAMES = {
    "modality_family": gettext_noop("kind of examination"),
    "body_region": gettext_noop("body region"),
    "modality": gettext_noop("modality"),
    "procedure": gettext_noop("procedure"),
    "ordering_unit": gettext_noop("who asked for it"),
    "performing_unit": gettext_noop("where it was made"),
    "patient_class": gettext_noop("patient class"),
    "source": gettext_noop("who keeps it"),
    "source_system": gettext_noop("which system sent it"),
    "residence": gettext_noop("where the patient lives"),
    "residence_area": gettext_noop("where the patient lives"),
    "care_relation": gettext_noop("part in the patient's care"),
    "study_state": gettext_noop("state of the study"),
    "emergency": gettext_noop("emergency"),
    "report_final": gettext_noop("final report"),
}
_FOUND: dict[str, Callable[[StudyFacts], Iterable[str]]] = {
    "modality_family": lambda facts: [facts.modality_family],
    "body_region": lambda facts: facts.body_regions,
    "modality": lambda facts: facts.modalities,
    "procedure": lambda facts: [facts.procedure_code],
    "ordering_unit": lambda facts: facts.ordering,
    "performing_unit": lambda facts: facts.performing,
    "patient_class": lambda facts: facts.patient_classes,
    "source": lambda facts: facts.source,
    "study_state": lambda facts: [facts.state],
}
"""What a study has, for the tests where that may be said; of the patient's own circumstances nothing is told."""
_STATES = ("in_progress", "complete", "verified")


def explain_why(study: Study, destination: Destination) -> str:
    """Return why a study was or was not sent to a destination, in the active language.

    The newest delivery speaks first; where there is none, the subscriptions say what they ask for and the study is
    not, and the decision about access whether it might go at all.
    """
    rows = Delivery.objects.filter(study=study, destination=destination, kind__in=("study", "prior"))
    delivery = rows.select_related("destination", "send_request").order_by("-planned_at", "-pk").first()
    if delivery is not None:
        return f"{explain(delivery)} {_say_who_asked(delivery)}".strip()
    if not destination.active:
        return gettext("Not sent: the destination is switched off.")
    return _explain_absence(study, destination)


def explain_why_at(study: Study, department: Department) -> list[tuple[Destination, str]]:
    """Return the same for every destination of a department, in the order of their names."""
    rows = Destination.objects.filter(department=department).select_related("department__unit")
    return [(destination, explain_why(study, destination)) for destination in rows.order_by("name", "pk")]


def _say_who_asked(delivery: Delivery) -> str:
    request = delivery.send_request
    if request is not None:
        at = date_format(localtime(request.sent_at), "Y-m-d H:i")
        return gettext("It was sent by a person at %(time)s: %(reason)s.") % {
            "time": at,
            "reason": request.reason,
        }
    rows = Subscription.objects.filter(pk__in=delivery.subscription_ids).order_by("pk")
    names = [_name_subscription(row) for row in rows]
    if not names:
        return ""
    return gettext("Asked for by: %(subscriptions)s.") % {"subscriptions": ", ".join(names)}


def _name_subscription(row: Subscription) -> str:
    """Name a subscription as who keeps it does; else by which studies it asks for."""
    if row.name:
        return row.name
    try:
        return gettext("the subscription “%(which)s”") % {"which": write_filter(read_filter(row.filter))}
    except UnknownFilter:
        return gettext("a subscription that cannot be read")


def _explain_absence(study: Study, destination: Destination) -> str:
    wishes = Subscription.objects.filter(destination=destination, active=True)
    subscriptions = list(wishes.select_related("department").order_by("pk"))
    if not subscriptions:
        return gettext("Not sent: no active subscription sends anything there.")
    if destination.installation and destination.installation in hops_of(study):
        return say_reason("came_from_there")
    facts = read_facts(study)
    reasons = [_explain_subscription(row, facts) for row in subscriptions]
    if all(reasons):
        return gettext("Not sent: %(reasons)s.") % {"reasons": "; ".join(reasons)}
    waits = _say_what_it_waits_for(
        study, [row for row, why in zip(subscriptions, reasons, strict=True) if not why]
    )
    if waits:
        return waits
    obstacle = find_obstacle(study, destination)
    if obstacle:
        return gettext("Not sent yet. %(obstacle)s") % {"obstacle": say_reason(obstacle)}
    return gettext("Not sent: the subscription came after the study; replay it to have it sent.")


def _say_what_it_waits_for(study: Study, matching: list[Subscription]) -> str:
    reached = _STATES.index(study.state)
    if any(_STATES.index(effective_state(row)) <= reached for row in matching):
        is_coming = study.quiet_due_at is not None or study.quiet_generation == 0
        return gettext("Not sent yet: the study is still arriving.") if is_coming else ""
    if any(effective_state(row) == "complete" for row in matching):
        return gettext("Not sent yet: the study is still arriving.")
    return gettext("Not sent yet: it is sent once the study is verified by a final report.")


def _explain_subscription(row: Subscription, facts: StudyFacts) -> str:
    """Return what a subscription asks for and the study is not; empty where it asks for the study."""
    try:
        wanted = read_filter(row.filter)
    except UnknownFilter as error:
        return gettext("%(subscription)s cannot be read: %(error)s") % {
            "subscription": row.name or gettext("a subscription"),
            "error": error,
        }
    owner = Owner(row.department_id, row.department.unit_id)
    why = _explain_filter(wanted, facts, owner)
    if not why and not contents_wanted([row.wants]):
        why = gettext("asks for no images")
    return f"{_name_subscription(row)}: {why}" if why else ""


def _explain_filter(wanted: Filter, facts: StudyFacts, owner: Owner) -> str:
    if wanted.not_from_self and facts.custodian_id == owner.department_id:
        return gettext("the department stored it itself")
    failing = None if wanted.node is None else _find_failing(wanted.node, facts, owner)
    return "" if failing is None else _say_node(failing, facts)


def _find_failing(node: Node, facts: StudyFacts, owner: Owner) -> Node | None:
    """Return the first test that does not hold; of alternatives, all of them together."""
    if holds(node, facts, owner):
        return None
    if isinstance(node, Group) and node.of == "all":
        return next(failing for each in node.nodes if (failing := _find_failing(each, facts, owner)))
    return node


def _say_node(node: Node, facts: StudyFacts) -> str:
    match node:
        case Not(below):
            return gettext("leaves out what the study is (%(test)s)") % {"test": _name_tests(below)}
        case Group(_, nodes):
            alternatives = gettext(" or ").join(_name_tests(each) for each in nodes)
            return gettext("none of its alternatives holds (%(tests)s)") % {"tests": alternatives}
        case Flag(kind, True):
            return gettext("asks for %(test)s, which it has not") % {"test": gettext(NAMES[kind])}
        case Flag(kind, _):
            return gettext("leaves out what has %(test)s") % {"test": gettext(NAMES[kind])}
        case ValueTest(kind, values):
            asked = gettext("asks for %(test)s %(values)s") % {
                "test": gettext(NAMES[kind]),
                "values": _join(kind, values),
            }
            if kind not in _FOUND:
                return asked
            found = _join(kind, _FOUND[kind](facts)) or gettext("not known")
            return gettext("%(asked)s; the study's is %(found)s") % {"asked": asked, "found": found}


def _name_tests(node: Node) -> str:
    match node:
        case Not(below):
            return _name_tests(below)
        case Group(_, nodes):
            return ", ".join(_name_tests(each) for each in nodes)
        case ValueTest(kind, values):
            return f"{gettext(NAMES[kind])} {_join(kind, values)}"
        case Flag(kind, _):
            return gettext(NAMES[kind])


def _join(kind: str, values: Iterable[str]) -> str:
    shown = sorted(filter(None, values))
    if kind == "body_region":
        language = 0 if (get_language() or "").startswith("sv") else 1
        shown = [REGION_NAMES[value][language] if value in REGION_NAMES else value for value in shown]
    return ", ".join(shown)
