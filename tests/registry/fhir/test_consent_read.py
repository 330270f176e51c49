"""Consent, read and searched: what patients decided, to those who keep it, as IHE PCF says it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from access.models import AuditEvent
from registry.fhir.consents import codes, search
from registry.fhir.consents.rows import list_kept
from registry.models import Consent
from tests.registry.factories import make_actor, make_department
from tests.registry.fhir.consent_rows import (
    HSA,
    NOW,
    NUMBER,
    SYSTEM,
    make_block,
    make_consent,
    make_lift,
    make_patient,
    make_relation,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(db):
    return make_patient()


@pytest.fixture
def keeper(token_of):
    """Give the token of a system that keeps consents for the whole region."""
    return token_of(None, "consent")


def ids_of(answer):
    assert answer.status_code == 200, answer.content
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


def check_foundation(resource):
    """Hold a resource to what PCF demands of every consent."""
    assert codes.codes_of([resource["scope"]], codes.SCOPE_SYSTEM) == ["patient-privacy"]
    assert codes.codes_of(resource["category"], "http://loinc.org") == ["59284-0"]
    assert resource["patient"]["identifier"] == {"system": SYSTEM, "value": NUMBER}
    for element in ("status", "dateTime", "performer", "organization", "policy"):
        assert resource[element], element
    assert ("sourceAttachment" in resource) != ("sourceReference" in resource)
    assert resource["policy"][0]["uri"]
    provisions = [resource["provision"], *resource["provision"].get("provision", [])]
    for provision in provisions:
        assert provision["type"] in ("permit", "deny")
        assert not {"action", "class", "code", "securityLabel"} & set(provision)
        for actor in provision.get("actor", []):
            assert codes.codes_of([actor["role"]], codes.PARTICIPATION) == ["IRCP"]
    assert not any("provision" in nested for nested in provisions[1:])


def test_a_consent_permits_its_recipient(ask, keeper, patient, department):
    row = make_consent(patient, recipient_unit=department.unit, text_version="2026-1")
    resource = ask(f"Consent/consent-{row.pk}", token=keeper).json()
    check_foundation(resource)
    provision = resource["provision"]
    assert (resource["status"], provision["type"]) == ("active", "permit")
    assert provision["actor"][0]["reference"]["identifier"] == {
        "system": HSA,
        "value": department.unit.hsa_id,
    }
    assert resource["organization"][0]["identifier"]["value"] == department.unit.provider.hsa_id
    assert resource["sourceAttachment"] == {"title": "2026-1"}
    assert resource["meta"]["profile"] == [codes.BASIC]
    assert "dataPeriod" not in provision
    assert "data" not in provision


@pytest.mark.parametrize("kind", ["consent", "incapacity", "guardian"])
def test_the_kind_and_its_basis_are_said(ask, keeper, patient, kind):
    user = make_user()
    basis = {"assessed_by": "Dr Ek", "attitude": "asked the family", "necessary_care": "stroke"}
    row = make_consent(patient, recipient_user=user, kind=kind, basis=basis if kind == "incapacity" else {})
    resource = ask(f"Consent/consent-{row.pk}", token=keeper).json()
    check_foundation(resource)
    assert codes.codes_of(resource["category"], codes.KIND_SYSTEM) == [kind]
    assert resource["provision"]["actor"][0]["reference"]["type"] == "Practitioner"
    said = {
        part["url"]: part["valueString"] for e in resource.get("extension", []) for part in e["extension"]
    }
    assert said == (basis if kind == "incapacity" else {})


def test_a_block_denies_what_its_holder_authored_and_shows_its_lifts(ask, keeper, patient, department):
    block = make_block(
        patient,
        unit=department.unit,
        data_from="20200101",
        data_to="20201231",
        is_silent=True,
        is_absolute=True,
    )
    reader, user = make_department().unit, make_user()
    lift = make_lift(block, reader, user=user, basis="emergency")
    make_lift(block, reader, cancelled_at=NOW())
    make_lift(block, reader, days=(-9, -2))
    resource = ask(f"Consent/block-{block.pk}", token=keeper).json()
    check_foundation(resource)
    provision = resource["provision"]
    assert provision["dataPeriod"] == {"start": "2020-01-01", "end": "2020-12-31"}
    assert provision["data"][0]["meaning"] == "authoredby"
    assert provision["data"][0]["reference"]["identifier"]["value"] == department.unit.hsa_id
    assert codes.codes_of(resource["category"], codes.KIND_SYSTEM) == ["block", "silent", "absolute"]
    [nested] = provision["provision"]
    assert (nested["id"], nested["type"]) == (f"lift-{lift.pk}", "permit")
    assert [actor["reference"]["type"] for actor in nested["actor"]] == ["Organization", "Practitioner"]
    assert nested["purpose"][0]["code"] == "BTG"
    alone = ask(f"Consent/lift-{lift.pk}", token=keeper).json()
    check_foundation(alone)
    assert alone["sourceReference"] == {"reference": f"Consent/block-{block.pk}"}
    assert alone["provision"]["provision"] == [nested]
    assert alone["extension"] == [{"url": codes.REASON, "valueString": "Referred for a second opinion"}]


@pytest.mark.parametrize(
    ("change", "status", "version"),
    [({}, "active", "1"), ({"withdrawn_at": True}, "inactive", "2"), ({"days": (-9, -1)}, "inactive", "2")],
)
def test_what_is_withdrawn_or_over_is_inactive_and_a_new_version(
    ask, keeper, patient, change, status, version
):
    change = {key: NOW() if value is True else value for key, value in change.items()}
    row = make_consent(patient, recipient_user=make_user(), **change)
    answer = ask(f"Consent/consent-{row.pk}", token=keeper)
    assert answer.json()["status"] == status
    assert answer.headers["ETag"] == f'W/"{version}"'
    assert ask(f"Consent/consent-{row.pk}", token=keeper, If_None_Match=f'W/"{version}"').status_code == 304


def test_a_lift_is_a_new_version_of_its_block(ask, keeper, patient, department):
    block = make_block(patient, unit=department.unit)
    before = ask(f"Consent/block-{block.pk}", token=keeper).json()["meta"]
    make_lift(block, department.unit)
    after = ask(f"Consent/block-{block.pk}", token=keeper).json()["meta"]
    assert (before["versionId"], after["versionId"]) == ("1", "2")
    assert before["lastUpdated"] < after["lastUpdated"]


@pytest.fixture
def rows(patient, department):
    """Make a consent, a block with a lift, a withdrawn consent, and a consent of somebody else."""
    recipient = make_department().unit
    block = make_block(patient, provider=department.unit.provider)
    return {
        "block": block,
        "lift": make_lift(block, recipient),
        "consent": make_consent(patient, recipient_unit=recipient, registered_at=NOW() - timedelta(days=20)),
        "withdrawn": make_consent(patient, recipient_provider=recipient.provider, withdrawn_at=NOW()),
        "other": make_consent(make_patient("201212121212"), recipient_unit=recipient),
        "recipient": recipient,
    }


MINE = f"patient.identifier={SYSTEM}|{NUMBER}"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (MINE, ["block", "consent", "withdrawn"]),
        ("patient=Patient/{patient}", ["block", "consent", "withdrawn"]),
        (f"{MINE}&status=active", ["block", "consent"]),
        (f"{MINE}&status=inactive", ["withdrawn"]),
        (f"{MINE}&status=active,inactive", ["block", "consent", "withdrawn"]),
        (f"{MINE}&actor.identifier={HSA}|{{unit}}", ["block", "consent"]),
        (
            f"{MINE}&actor:identifier=http://electronichealth.se/identifier/hsaid|{{unit}}",
            ["block", "consent"],
        ),
        (f"{MINE}&actor=Organization/{{unit}}", ["block", "consent"]),
        (f"{MINE}&actor=Practitioner/{{unit}}", []),
        (f"{MINE}&category=urn:samsyn:consent-kind|block", ["block"]),
        (f"{MINE}&category=consent", ["consent", "withdrawn"]),
        (f"{MINE}&category=http://loinc.org|59284-0", ["block", "consent", "withdrawn"]),
        (f"{MINE}&scope=patient-privacy", ["block", "consent", "withdrawn"]),
        (f"{MINE}&scope=research", []),
        (f"{MINE}&date=lt{{week}}", ["consent"]),
        (f"{MINE}&_lastUpdated=ge{{week}}", ["block", "withdrawn"]),
        (f"{MINE}&period={{today}}", []),
        (f"{MINE}&period=ap{{today}}", ["block", "consent", "withdrawn"]),
        (f"{MINE}&period=sa{{today}}", []),
        ("source-reference=Consent/block-{block}", ["lift"]),
        (f"source-reference=Consent/block-{{block}}&{MINE}", ["lift"]),
        ("_id=consent-{consent}", ["consent"]),
        ("_id=consent-{consent},lift-{lift},consent-999999,nonsense", ["consent", "lift"]),
        ("", ["block", "consent", "withdrawn", "other"]),
        ("status=active", ["block", "consent", "other"]),
    ],
)
def test_parameters(ask, keeper, patient, rows, query, found):
    values = {
        "patient": patient.pk,
        "unit": rows["recipient"].hsa_id,
        "week": f"{NOW() - timedelta(days=7):%Y-%m-%d}",
        "today": f"{NOW():%Y-%m-%d}",
        **{name: rows[name].pk for name in ("block", "consent", "lift")},
    }
    ids = [f"{'consent' if name in ('withdrawn', 'other') else name}-{rows[name].pk}" for name in found]
    assert ids_of(ask(f"Consent?{query.format(**values)}", token=keeper)) == ids


def test_pages_of_a_search(ask, keeper, patient, rows):
    seen, path = [], f"Consent?{MINE}&_count=1"
    while path:
        answer = ask(path, token=keeper)
        seen += ids_of(answer)
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        path = links.get("next", "").partition("/fhir/")[2]
    assert seen == ids_of(ask(f"Consent?{MINE}", token=keeper))
    assert len(seen) == 3


def test_a_page_looks_at_so_many_rows_and_goes_on(ask, keeper, rows, monkeypatch):
    monkeypatch.setattr(search, "MAX_EXAMINED", 2)
    seen, path, pages = [], "Consent?status=inactive", 0
    while path:
        answer = ask(path, token=keeper)
        seen += ids_of(answer)
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        path, pages = links.get("next", "").partition("/fhir/")[2], pages + 1
    assert seen == [f"consent-{rows['withdrawn'].pk}"]
    assert pages > 1


def test_who_does_not_keep_the_region_must_name_a_patient(ask, token_of, department, rows):
    local = token_of(department, "consent")
    assert ask("Consent?status=active", token=local).status_code == 400
    assert len(ids_of(ask(f"Consent?{MINE}", token=local))) == 3


@pytest.mark.parametrize("words", [("read",), ("store", "delete")])
def test_who_keeps_no_consents_learns_nothing(ask, token_of, department, rows, words):
    token = token_of(department, *words)
    for path in (f"Consent?{MINE}", f"Consent/block-{rows['block'].pk}", "Consent/block-999999"):
        assert ask(path, token=token).status_code == 403


def test_a_silent_block_is_spoken_of_to_its_keepers_only(ask, keeper, token_of, patient, department):
    block = make_block(patient, unit=department.unit, is_silent=True)
    lift = make_lift(block, department.unit)
    own, other = token_of(department, "consent"), token_of(make_department(), "consent")
    for path in (f"Consent/block-{block.pk}", f"Consent/lift-{lift.pk}"):
        assert ask(path, token=own).status_code == 200
        assert ask(path, token=keeper).status_code == 200
        assert ask(path, token=other).content == ask("Consent/block-999999", token=other).content
    assert ids_of(ask(f"Consent?{MINE}", token=other)) == []
    assert ids_of(ask(f"Consent?source-reference=Consent/block-{block.pk}", token=other)) == []
    assert ids_of(ask(f"Consent?{MINE}", token=own)) == [f"block-{block.pk}"]


@pytest.mark.parametrize(
    ("permissions", "kinds"),
    [
        ({"grant_consent"}, ["consent"]),
        ({"register_block"}, ["block", "silent"]),
        ({"lift_block"}, ["block"]),
        ({"read", "review_access"}, []),
        ({"consent"}, []),
    ],
)
def test_a_person_sees_what_the_role_keeps_of_patients_in_care(patient, department, permissions, kinds):
    rows = {
        "consent": make_consent(patient, recipient_unit=department.unit),
        "block": make_block(patient, unit=department.unit),
        "silent": make_block(patient, provider=department.unit.provider, is_silent=True),
    }
    person = replace(make_actor(department), permissions=frozenset({"read", *permissions}))
    if permissions & {"grant_consent", "lift_block"}:
        assert list(list_kept(person, [patient.pk], None, NOW())) == []
        make_relation(patient, department.unit)
    seen = {kept.row for kept in list_kept(person, [patient.pk], None, NOW())}
    assert seen == {rows[kind] for kind in kinds}
    for_person = replace(
        make_actor(department), kind="system", permissions=frozenset({"consent"}), on_behalf_of=person
    )
    assert {kept.row for kept in list_kept(for_person, [patient.pk], None, NOW())} == seen


@pytest.mark.parametrize(
    "key", ["consent-0", "consent-99999999999999999999", "patient-1", "1", "block-x", "lift-9"]
)
def test_unknown_ids_are_404(ask, keeper, key):
    assert ask(f"Consent/{key}", token=keeper).status_code == 404


def test_reads_and_searches_are_in_the_access_log(ask, keeper, patient, rows):
    ask(f"Consent?{MINE}", token=keeper)
    ask(f"Consent/block-{rows['block'].pk}", token=keeper)
    searched, read = AuditEvent.objects.filter(door="fhir").order_by("pk")
    assert (searched.action, searched.patient_id, searched.detail["results"]) == (
        "consent_read",
        patient.pk,
        3,
    )
    assert (read.action, read.patient_id) == ("consent_read", patient.pk)
    assert Consent.objects.count() == 3
