"""Whether a study is what a filter asks for: pure, the same answer as the SQL that `compile` makes."""

from collections.abc import Callable

from registry.contacts import search_line
from registry.wishes.facts import AREA_PARTS, EMERGENCY_CLASS, URGENT_WORDS, StudyFacts, is_code
from registry.wishes.filter import Filter, Flag, Group, Node, Not, Owner, ValueTest


def matches(wanted: Filter, facts: StudyFacts, owner: Owner) -> bool:
    """Tell whether a study is what a filter asks for, in a subscription of that owner."""
    if wanted.not_from_self and facts.custodian_id == owner.department_id:
        return False
    return wanted.node is None or holds(wanted.node, facts, owner)


def holds(node: Node, facts: StudyFacts, owner: Owner) -> bool:
    """Tell whether one node of a filter holds for a study."""
    match node:
        case Group("all", nodes):
            return all(holds(each, facts, owner) for each in nodes)
        case Group(_, nodes):
            return any(holds(each, facts, owner) for each in nodes)
        case Not(below):
            return not holds(below, facts, owner)
        case Flag(kind, wanted):
            return _FLAGS[kind](facts) == wanted
        case ValueTest("care_relation", values):
            return has_relation(values, facts, owner)
        case ValueTest("residence", values):
            return any(facts.postal_code.startswith(value) for value in values)
        case ValueTest("residence_area", values):
            return any(lives_in(value, facts) for value in values)
        case ValueTest(kind, values):
            return not _VALUES[kind](facts).isdisjoint(values)


def has_relation(places: tuple[str, ...], facts: StudyFacts, owner: Owner) -> bool:
    """Tell whether the owner's unit or department takes part in the patient's care now."""
    of_unit = "unit" in places and owner.unit_id in facts.related_units
    return of_unit or ("department" in places and owner.department_id in facts.related_departments)


def lives_in(area: str, facts: StudyFacts) -> bool:
    """Tell whether the patient lives in a town, district or county of that name, or one whose code begins so."""
    if is_code(area):
        return any(line.startswith(search_line("district", area)) for line in facts.areas)
    return any(search_line(part, area) in facts.areas for part in AREA_PARTS)


def is_emergency(facts: StudyFacts) -> bool:
    """Tell whether an order is urgent or the patient is an emergency patient."""
    return not facts.urgencies.isdisjoint(URGENT_WORDS) or EMERGENCY_CLASS in facts.patient_classes


_FLAGS: dict[str, Callable[[StudyFacts], bool]] = {
    "emergency": is_emergency,
    "report_final": lambda facts: facts.has_final_report,
}
_VALUES: dict[str, Callable[[StudyFacts], frozenset[str]]] = {
    "modality_family": lambda facts: frozenset({facts.modality_family}),
    "body_region": lambda facts: facts.body_regions,
    "modality": lambda facts: facts.modalities,
    "procedure": lambda facts: frozenset({facts.procedure_code}),
    "ordering_unit": lambda facts: facts.ordering,
    "performing_unit": lambda facts: facts.performing,
    "patient_class": lambda facts: facts.patient_classes,
    "source": lambda facts: facts.source,
    "source_system": lambda facts: facts.systems,
    "study_state": lambda facts: frozenset({facts.state}),
}
"""The values of a study that a test is held against; one in common is enough."""
