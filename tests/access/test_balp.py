"""Every event against the rules of the BALP profiles: what claims one keeps it, and what could keep one claims it."""

from copy import deepcopy
from itertools import product

import pytest

from access.audit_export.fhir_event import audit_event_resource
from access.audit_export.kinds import KINDS
from access.audit_export.labels import PatientLabel, SourceLabel
from tests.access.audit_rows import make_row
from tests.support.balp import PREFIX, PROFILES, find_violations

SOURCE = SourceLabel("https://samsyn.example", "Region")
LABELS = {5: PatientLabel("191212121212", "1.2.752.129.2.1.3.1")}
WHO: dict[str, dict[str, object]] = {
    "a person": {},
    "a system": {"actor": "pacs", "actor_kind": "system", "role": ""},
    "a system for a person": {"actor": "pacs", "actor_kind": "system", "on_behalf_of": "anna"},
    "a duty": {"actor": "delivery to PACS", "actor_kind": "duty", "role": "", "address": "pacs.example"},
}
ABOUT: dict[str, dict[str, object]] = {
    "a study": {},
    "a study of nobody": {"patient_id": None},
    "a patient": {"study_instance_uid": ""},
    "nothing": {"study_instance_uid": "", "patient_id": None},
}
CLAIMS = {
    ("read", "a study"): "PatientRead",
    ("read", "a study of nobody"): "Read",
    ("store", "a study"): "PatientCreate",
    ("store", "a study of nobody"): "Create",
    ("search", "a study"): "PatientQuery",
    ("search", "a patient"): "PatientQuery",
    ("search", "a study of nobody"): "Query",
    ("search", "nothing"): "Query",
    ("deliver", "a study"): "PrivacyDisclosure.Source",
    ("export", "a study"): "PrivacyDisclosure.Source",
}


def make_event(action: str, who: str, about: str, **values: object) -> dict:
    row = make_row(action, **{**WHO[who], **ABOUT[about], **values})
    return dict(audit_event_resource(row, LABELS, SOURCE))


def claims(resource: dict) -> list[str]:
    return [canonical.removeprefix(PREFIX) for canonical in resource["meta"].get("profile", ())]


@pytest.mark.parametrize("about", ABOUT)
@pytest.mark.parametrize("who", WHO)
def test_every_kind_of_event_keeps_what_it_claims(who, about):
    for action, outcome, address in product(KINDS, ("success", "refused", "failed"), ({}, {"address": ""})):
        resource = make_event(action, who, about, outcome=outcome, **address)
        assert find_violations(resource) == [], action
        is_able = outcome == "success" and not address
        expected = CLAIMS.get((action, about)) if is_able else None
        assert claims(resource) == ([expected] if expected else []), action


def test_all_profiles_of_the_table_are_claimed_by_something():
    assert set(CLAIMS.values()) == set(PROFILES)


def spoil(resource: dict, *path: str | int) -> dict:
    spoilt = deepcopy(resource)
    *before, last = path
    where = spoilt
    for step in before:
        where = where[step]
    del where[last]
    return spoilt


@pytest.mark.parametrize("action", ["read", "store", "search", "deliver"])
@pytest.mark.parametrize(
    "path",
    [
        ("subtype",),
        ("action",),
        ("outcome",),
        ("agent", 0),
        ("agent", 1),
        ("agent", 0, "network"),
        ("agent", 1, "network"),
        ("agent", 1, "who"),
        ("agent", 0, "requestor"),
        ("entity", -1, "what"),
        ("source", "observer"),
    ],
)
def test_the_rules_find_what_is_missing(action, path):
    resource = make_event(action, "a person", "a study", detail={})
    assert find_violations(resource) == []
    assert find_violations(spoil(resource, *path))
