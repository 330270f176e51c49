"""A subscription as one sentence, in the active language.

CT or MR of head and neck, emergencies, not from our own department, when complete: images and reports to Stroke PACS.
"""

from collections.abc import Callable, Iterable

from django.utils.translation import get_language, gettext, gettext_noop

from access.models import CareProvider, CareUnit, Department
from registry.harmonise.tables import read_tables
from registry.harmonise.vocabulary import REGION_NAMES
from registry.models import Subscription
from registry.wishes.filter import Filter, Flag, Group, Node, Not, UnknownFilter, ValueTest, read_filter
from registry.wishes.states import effective_state

FAMILIES = {
    "XR": gettext_noop("plain X-ray"),
    "US": gettext_noop("ultrasound"),
    "NM": gettext_noop("nuclear medicine"),
    "PT": gettext_noop("PET"),
    "MG": gettext_noop("mammography"),
    "FL": gettext_noop("fluoroscopy and angiography"),
    "OT": gettext_noop("other examinations"),
}
CLASSES = {
    "E": gettext_noop("emergency"),
    "I": gettext_noop("inpatient"),
    "O": gettext_noop("outpatient"),
    "P": gettext_noop("preadmission"),
}
STATES = {
    "in_progress": gettext_noop("in progress"),
    "complete": gettext_noop("complete"),
    "verified": gettext_noop("verified"),
}
PLACES = {
    "department": gettext_noop("admitted to our department"),
    "unit": gettext_noop("in the care of our unit"),
}
PHRASES = {
    "modality_family": gettext_noop("%s"),
    "body_region": gettext_noop("of %s"),
    "modality": gettext_noop("with modality %s"),
    "procedure": gettext_noop("procedure %s"),
    "ordering_unit": gettext_noop("ordered by %s"),
    "performing_unit": gettext_noop("made at %s"),
    "source": gettext_noop("from %s"),
    "source_system": gettext_noop("sent by the system %s"),
    "patient_class": gettext_noop("of visits of class %s"),
    "residence": gettext_noop("of patients with postal code %s"),
    "residence_area": gettext_noop("of patients who live in %s"),
    "care_relation": gettext_noop("of patients %s"),
    "study_state": gettext_noop("that are %s"),
}
FLAGS = {
    ("emergency", True): gettext_noop("emergencies"),
    ("emergency", False): gettext_noop("no emergencies"),
    ("report_final", True): gettext_noop("with a final report"),
    ("report_final", False): gettext_noop("without a final report"),
}
WHEN = {
    "in_progress": gettext_noop("as they arrive"),
    "complete": gettext_noop("when complete"),
    "verified": gettext_noop("when verified by a final report"),
}
CONTENTS = {
    "images": gettext_noop("images"),
    "sr": gettext_noop("structured reports"),
    "key_images": gettext_noop("key images"),
    "priors": gettext_noop("relevant priors"),
    "request": gettext_noop("the request"),
    "report": gettext_noop("every version of the report"),
}
PRIORITIES = {
    "urgent": gettext_noop("urgently"),
    "normal": "",
    "prior": gettext_noop("with the priority of priors"),
    "bulk": gettext_noop("when there is room"),
}
DAYS = (
    gettext_noop("Mon"),
    gettext_noop("Tue"),
    gettext_noop("Wed"),
    gettext_noop("Thu"),
    gettext_noop("Fri"),
    gettext_noop("Sat"),
    gettext_noop("Sun"),
)
EVERYTHING = ("images", "sr", "key_images")


def write_sentence(subscription: Subscription) -> str:
    """Return what a subscription brings, from when on and where to; one that cannot be read says so."""
    try:
        wanted = read_filter(subscription.filter)
    except UnknownFilter as error:
        return gettext("Brings nothing, its filter cannot be read: %(error)s") % {"error": error}
    which = [write_filter(wanted), gettext(WHEN[effective_state(subscription)])]
    contents = [gettext(CONTENTS[name]) for name in subscription.wants or EVERYTHING if name in CONTENTS]
    sentence = gettext("%(which)s: %(what)s to %(destination)s") % {
        "which": ", ".join(which),
        "what": _join(contents, gettext("and")),
        "destination": subscription.destination.name,
    }
    rest = [PRIORITIES[subscription.priority] and gettext(PRIORITIES[subscription.priority])]
    rest += [_write_window(window) for window in subscription.window]
    return ", ".join([sentence, *filter(None, rest)]) + "."


def write_filter(wanted: Filter) -> str:
    """Return which studies a filter takes; it begins with a capital letter."""
    text = gettext("all studies") if wanted.node is None else _write(wanted.node)
    if wanted.node is not None and not _begins_with_a_kind(wanted.node):
        text = gettext("studies %(which)s") % {"which": text}
    if wanted.not_from_self:
        text = gettext("%(which)s, not from our own department") % {"which": text}
    return text[:1].upper() + text[1:]


def _begins_with_a_kind(node: Node) -> bool:
    if isinstance(node, Group):
        first = _in_order(node.nodes)[0]
        return not isinstance(first, Group) and _begins_with_a_kind(first)
    return (isinstance(node, ValueTest) and node.kind == "modality_family") or (
        isinstance(node, Flag) and node.kind == "emergency"
    )


def _write(node: Node, *, is_inner: bool = False) -> str:
    match node:
        case ValueTest(kind, values):
            shown = _SHOWN.get(kind, _show_plainly)(values)
            return gettext(PHRASES[kind]) % _join(shown, gettext("or"))
        case Flag(kind, is_wanted):
            return gettext(FLAGS[kind, is_wanted])
        case Not(below):
            return gettext("but not %(which)s") % {"which": _write(below, is_inner=True)}
        case Group("all", nodes):
            return _bracket(_write_all(_in_order(nodes)), is_inner and len(nodes) > 1)
        case Group(_, nodes):
            texts = [_write(each, is_inner=True) for each in nodes]
            return _bracket(_join(texts, gettext("or")), is_inner and len(nodes) > 1)


def _write_all(nodes: list[Node]) -> str:
    """Join tests that all have to hold: a part of the body follows the kind of imaging without a comma."""
    text = ""
    for each in nodes:
        follows = isinstance(each, ValueTest) and each.kind == "body_region" and text.count(",") == 0
        text += (" " if follows else ", " if text else "") * bool(text) + _write(each, is_inner=True)
    return text


def _in_order(nodes: Iterable[Node]) -> list[Node]:
    """Return tests in the order of speech: kind of imaging, part of the body, then as they were stated."""
    first = ("modality_family", "body_region")
    ranks = {kind: rank for rank, kind in enumerate(first)}
    return sorted(nodes, key=lambda node: ranks.get(node.kind, 9) if isinstance(node, ValueTest) else 9)


def _show_plainly(values: Iterable[str]) -> list[str]:
    return list(values)


def _show_regions(values: Iterable[str]) -> list[str]:
    language = 0 if (get_language() or "").startswith("sv") else 1
    return [REGION_NAMES[value][language].lower() for value in values]


def _show_procedures(values: Iterable[str]) -> list[str]:
    tables = read_tables()
    is_swedish = (get_language() or "").startswith("sv")
    found = []
    for value in values:
        procedure = tables.procedure(value)
        found.append((procedure.display_sv if is_swedish else procedure.display_en) if procedure else value)
    return found


def _show_places(hsa_ids: Iterable[str]) -> list[str]:
    stated = list(hsa_ids)
    names: dict[str, str] = {}
    for model in (CareProvider, CareUnit):
        names.update(model.objects.filter(hsa_id__in=stated).values_list("hsa_id", "name"))
    departments = Department.objects.filter(hsa_id__in=stated).select_related("unit")
    names.update({row.hsa_id: f"{row.name}, {row.unit.name}" for row in departments})
    return [names.get(hsa_id, hsa_id) for hsa_id in stated]


def _translated(words: dict[str, str]) -> Callable[[Iterable[str]], list[str]]:
    return lambda values: [gettext(words[value]) if value in words else value for value in values]


_SHOWN: dict[str, Callable[[Iterable[str]], list[str]]] = {
    "modality_family": _translated(FAMILIES),
    "patient_class": _translated(CLASSES),
    "study_state": _translated(STATES),
    "care_relation": _translated(PLACES),
    "body_region": _show_regions,
    "procedure": _show_procedures,
    "ordering_unit": _show_places,
    "performing_unit": _show_places,
    "source": _show_places,
}


def _write_window(window: dict[str, object]) -> str:
    days = window["days"]
    chosen = [gettext(DAYS[day]) for day in sorted(days)] if isinstance(days, list) else []
    named = gettext("every day") if len(chosen) == len(DAYS) else " ".join(chosen)
    return f"{named} {window['from']}\N{EN DASH}{window['to']}"


def _join(texts: list[str], last: str) -> str:
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def _bracket(text: str, is_needed: bool) -> str:
    return f"({text})" if is_needed else text
