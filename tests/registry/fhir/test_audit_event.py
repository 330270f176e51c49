"""AuditEvent: the access log for those who review it, and the reading of it in the log."""

from datetime import timedelta

import pytest
from django.utils import timezone
from fhirclient import client
from fhirclient.models.auditevent import AuditEvent as ClientAuditEvent

from access import audit
from access.models import AuditEvent
from tests.registry.factories import make_actor, make_department
from tests.registry.fhir.consent_rows import NUMBER, SYSTEM, make_patient
from tests.registry.fhir.oracle import check_resource, read_xml

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(db):
    return make_patient()


@pytest.fixture
def reviewer(token_of):
    """Give the token of a system that reviews the log of the whole region."""
    return token_of(None, "review_access")


@pytest.fixture
def events(department, patient):
    """Record a read, a refused read, a search and a delivery of the department, and a read of another unit."""
    actor, other = make_actor(department), make_actor(make_department())
    ids = {
        "read": audit.record(actor, "read", door="wado", study_instance_uid="1.2.3", patient_id=patient.pk),
        "refused": audit.record(actor, "read", door="wado", study_instance_uid="1.2.4", outcome="refused"),
        "search": audit.record(actor, "search", door="qido", detail={"query": "PatientID=1"}),
        "consent": audit.record(
            actor, "consent_register", patient_id=patient.pk, detail={"row": "consent:1"}
        ),
        "other": audit.record(other, "read", door="fhir", study_instance_uid="1.2.3", patient_id=patient.pk),
    }
    AuditEvent.objects.filter(pk=ids["read"]).update(
        recorded_at=timezone.now() - timedelta(days=10), address="10.0.0.9"
    )
    AuditEvent.objects.filter(pk=ids["other"]).update(actor="somebody")
    return ids


def ids_of(answer):
    assert answer.status_code == 200, answer.content
    return [int(entry["resource"]["id"]) for entry in answer.json().get("entry", [])]


def test_an_event_is_a_resource_in_both_forms(ask, reviewer, events, patient):
    path = f"AuditEvent/{events['read']}"
    resource = ask(path, token=reviewer).json()
    assert resource["entity"][0]["what"]["identifier"]["value"] == "urn:oid:1.2.3"
    assert resource["entity"][1]["what"]["reference"] == f"Patient/{patient.pk}"
    xml = ask(f"{path}?_format=xml", token=reviewer)
    check_resource(read_xml(xml.content))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["other", "consent", "search", "refused", "read"]),
        (f"patient.identifier={SYSTEM}|{NUMBER}", ["other", "consent", "read"]),
        ("patient=Patient/{patient}", ["other", "consent", "read"]),
        ("patient=Patient/999999", []),
        ("date=lt{week}", ["read"]),
        ("date=ge{week}", ["other", "consent", "search", "refused"]),
        ("date=ge{week}&date=lt{week}", []),
        ("date={today}", ["other", "consent", "search", "refused"]),
        ("date=sa{today}", []),
        ("date=le{today}", ["other", "consent", "search", "refused", "read"]),
        ("outcome=8", ["refused"]),
        ("outcome=0,8&subtype=read", ["other", "refused", "read"]),
        ("subtype=urn:samsyn:action|consent_register", ["consent"]),
        ("subtype=http://hl7.org/fhir/restful-interaction|search-type", ["search"]),
        ("entity.identifier=urn:dicom:uid|urn:oid:1.2.3", ["other", "read"]),
        ("entity:identifier=urn:oid:1.2.4", ["refused"]),
        ("agent.identifier=somebody", ["other"]),
        ("agent:identifier=doctor", ["consent", "search", "refused", "read"]),
        ("address=10.0.0.9", ["read"]),
        ("_id={read}", ["read"]),
        ("_id=x", []),
        ("_sort=-date&_count=200", ["other", "consent", "search", "refused", "read"]),
    ],
)
def test_parameters(ask, reviewer, events, patient, query, found):
    now = timezone.localtime()
    values = {
        "patient": patient.pk,
        "week": f"{now - timedelta(days=7):%Y-%m-%d}",
        "today": f"{now:%Y-%m-%d}",
        "read": events["read"],
    }
    path = f"AuditEvent?{query.format(**values)}"
    assert ids_of(ask(path, token=reviewer)) == [events[name] for name in found]


@pytest.mark.parametrize("query", ["date=ne2026", "outcome=1", "address=a,b", "_sort=date", "date=2026,2025"])
def test_what_is_not_searched_is_refused(ask, reviewer, query):
    assert ask(f"AuditEvent?{query}", token=reviewer).status_code == 400


def test_pages_go_back_in_time_while_the_log_grows(ask, reviewer, events):
    seen, path = [], "AuditEvent?_count=2"
    while path:
        answer = ask(path, token=reviewer)
        seen += ids_of(answer)
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        path = links.get("next", "").partition("/fhir/")[2]
    assert seen == [events[name] for name in ("other", "consent", "search", "refused", "read")]


def test_a_unit_reviews_its_own(ask, token_of, department, events):
    own = token_of(department, "review_access")
    assert ids_of(ask("AuditEvent", token=own)) == [
        events[name] for name in ("consent", "search", "refused", "read")
    ]
    hidden, unknown = ask(f"AuditEvent/{events['other']}", token=own), ask("AuditEvent/999999", token=own)
    assert (hidden.status_code, hidden.content) == (404, unknown.content)


@pytest.mark.parametrize("words", [("read",), ("consent",), ("store", "read", "delete")])
def test_who_does_not_review_learns_nothing(ask, token_of, department, events, words):
    token = token_of(department, *words)
    for path in ("AuditEvent", f"AuditEvent/{events['read']}", "AuditEvent/999999"):
        assert ask(path, token=token).status_code == 403
    assert not AuditEvent.objects.filter(action="audit_read").exists()


def test_reading_the_log_is_in_the_log(ask, reviewer, events, patient):
    ask(f"AuditEvent?patient=Patient/{patient.pk}", token=reviewer)
    ask(f"AuditEvent/{events['read']}", token=reviewer)
    searched, read = AuditEvent.objects.filter(action="audit_read").order_by("pk")
    assert (searched.patient_id, searched.detail["results"]) == (patient.pk, 3)
    assert (read.patient_id, read.detail["event"]) == (patient.pk, events["read"])


@pytest.mark.parametrize("key", ["0", "x", "9" * 30, "1.2"])
def test_unknown_ids_are_404(ask, reviewer, key):
    assert ask(f"AuditEvent/{key}", token=reviewer).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_fhir_client_reads_the_log(live_server, events, token_of):
    fhir = client.FHIRClient(settings={"app_id": "test", "api_base": f"{live_server.url}/fhir/"})
    fhir.server.session.headers["Authorization"] = f"Bearer {token_of(None, 'review_access')}"
    fhir.prepare()
    search = ClientAuditEvent.where({"patient.identifier": f"{SYSTEM}|{NUMBER}", "_count": "1"})
    assert [int(event.id) for event in search.perform_resources_iter(fhir.server)] == [
        events[name] for name in ("other", "consent", "read")
    ]
