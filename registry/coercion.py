"""Which attributes are set in what a source stores: a department's rules, held against one data set."""

from dataclasses import dataclass
from functools import cache

from access.prepared import Prepared, Slot, prepare
from registry import identity
from registry.facts import Json, StudyFacts, study_facts
from registry.identity import is_oid
from registry.models import CoercionRule

ISSUER_OF_PATIENT_ID = "IssuerOfPatientID"
_ISSUER, _ISSUER_QUALIFIERS = "00100021", "00100024"
_TAGS = {"InstitutionName": "00080080", "InstitutionalDepartmentName": "00081040"}
COERCIBLE = (ISSUER_OF_PATIENT_ID, *_TAGS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line; see `CoercionRule`."""

    keyword: str
    value: str
    replaces: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """The value that an attribute is to have; "" where it must not be there."""

    tag: str
    value: str


def coercion_rules_of(department_id: int | None) -> tuple[Rule, ...]:
    """Read a department's rules; a sender without a department has none."""
    rows = _rules_of().fetch(department=department_id) if department_id else ()
    return tuple(Rule(*row) for row in rows)


@cache
def _rules_of() -> Prepared:
    rows = CoercionRule.objects.filter(department=Slot("department")).order_by("keyword")
    return prepare(rows.values_list("keyword", "value", "replaces"))


def find_coercions(
    rules: tuple[Rule, ...], issuer_rules: tuple[identity.Rule, ...], attributes: Json
) -> list[Wanted]:
    """Return what a data set has otherwise than the rules want it; nothing for one that was coerced before."""
    facts = study_facts(attributes)
    wanted: list[Wanted] = []
    for rule in rules:
        if rule.keyword == ISSUER_OF_PATIENT_ID:
            wanted += _find_issuer(rule, issuer_rules, facts, attributes)
        else:
            tag = _TAGS[rule.keyword]
            present = _text_of(attributes, tag)
            if present != rule.value and (rule.replaces or not present):
                wanted.append(Wanted(tag, rule.value))
    return wanted


def _find_issuer(
    rule: Rule, issuer_rules: tuple[identity.Rule, ...], facts: StudyFacts, attributes: Json
) -> list[Wanted]:
    """Return the issuer as the department's issuer rules decide it: as text, and as qualifiers where it is an OID."""
    issuer = identity.decide_issuer(
        facts.patient_id, facts.issuer_of_patient_id, issuer_rules, facts.patient_birth_date
    ).issuer
    is_said = issuer == facts.issuer_of_patient_id
    if not issuer or is_said or (facts.issuer_of_patient_id and not rule.replaces):
        return []
    qualifiers = issuer if is_oid(issuer) else ""
    wanted = [Wanted(_ISSUER, issuer)]
    if qualifiers or _ISSUER_QUALIFIERS in attributes:
        wanted.append(Wanted(_ISSUER_QUALIFIERS, qualifiers))
    return wanted


def _text_of(attributes: Json, tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")
