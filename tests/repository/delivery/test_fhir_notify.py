"""Messages to somebody else's FHIR endpoint: http.server takes them, fhir.resources and fhirclient read them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhirclient.models.bundle import Bundle as ClientBundle

from access.models import AuditEvent
from access.secrets import seal
from registry.models import Destination, PatientIdentifier, ReportReading, Study, Subscription
from repository.delivery.duties import plan_deliveries, probe_destinations
from repository.document_store import keep, store_bytes
from repository.models import Delivery
from tests.repository.delivery.test_mllp import LOCAL, THEIRS, change_order, send_all, take_report
from tests.support.hook import Hook, run_hook

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hook]:
    with run_hook(tmp_path_factory.mktemp("hook")) as running:
        yield running


@pytest.fixture
def study(region, hook: Hook, make_quiet, settings) -> Study:
    """A study whose reports and requests a department wants to be told of."""
    settings.PUBLIC_BASE_URL = "https://samsyn.example"
    hook.file.unlink(missing_ok=True)
    Destination.objects.update(
        url=f"fhir+{hook.url('/ok')}", token_sealed=seal("s3cret"), patient_issuer=THEIRS
    )
    Subscription.objects.update(wants=["report", "request", "images"])
    made: Study = make_quiet(accession_number="A1", accession_issuer=LOCAL, issuer_of_patient_id=LOCAL)
    PatientIdentifier.objects.create(patient=made.person, value="77", issuer=THEIRS)
    return made


def resources_of(body: dict) -> list[dict]:
    """Return the resources of a message that two other libraries can read."""
    Bundle.model_validate(body)
    ClientBundle(body)
    return [entry["resource"] for entry in body["entry"]]


def test_every_version_of_a_report_is_told_in_order(study, hook: Hook):
    take_report(study, "preliminary", "Preliminärt")
    take_report(study, "final", "Slutligt", 5)
    change = take_report(study, "corrected", "Ändrat", 10)
    assert send_all() == ["delivered"] * 3
    assert [body["entry"][1]["resource"]["status"] for body in hook.bundles] == [
        "preliminary",
        "final",
        "corrected",
    ]
    header, report, imaging = resources_of(hook.bundles[-1])
    assert header["eventCoding"]["code"] == "report"
    assert (
        header["focus"][0]["reference"] == f"https://samsyn.example/fhir/DiagnosticReport/{change.report_id}"
    )
    assert report["subject"]["identifier"] == {"system": f"urn:oid:{THEIRS}", "value": "77"}
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{study.study_instance_uid}"
    assert imaging["resourceType"] == "ImagingStudy"
    taken = hook.taken[-1]
    assert taken["headers"]["Authorization"] == "Bearer s3cret"
    assert taken["headers"]["Content-Type"].startswith("application/fhir+json")
    assert ReportReading.objects.count() == 3
    assert set(AuditEvent.objects.filter(action="deliver").values_list("door", flat=True)) == {"fhir"}


def test_a_report_is_told_with_the_file_it_came_as(study, hook: Hook, settings, tmp_path: Path):
    settings.OBJECTS_ROOT = tmp_path
    content = store_bytes(b"%PDF-1.4 report", "2.25.1234", "application/pdf")
    keep(content)
    take_report(study, "final", "", document_unique_id="2.25.1234", file_sha256=content.sha256)
    assert send_all() == ["delivered"]
    (form,) = resources_of(hook.bundles[0])[1]["presentedForm"]
    assert form == {"contentType": "application/pdf", "data": "JVBERi0xLjQgcmVwb3J0"}


def test_an_order_is_told_as_it_stands(study, hook: Hook):
    order = change_order(study)
    assert send_all() == ["delivered"]
    header, request, _ = resources_of(hook.bundles[0])
    assert (header["eventCoding"]["code"], request["id"]) == ("request", str(order.pk))
    assert request["status"] == "active"


def test_the_same_message_has_the_same_id_for_every_attempt(study, hook: Hook):
    take_report(study, "final", "Slutligt")
    Destination.objects.update(url=f"fhir+{hook.url('/fail')}")
    assert send_all() == ["ready"]
    Destination.objects.update(url=f"fhir+{hook.url('/ok')}")
    assert send_all() == ["delivered"]
    (body,) = hook.bundles
    Delivery.objects.update(state="ready")
    assert send_all() == ["delivered"]
    assert hook.bundles[1] == body


@pytest.mark.parametrize(
    ("path", "state", "code"),
    [
        ("/fail", "ready", "receiver_error"),
        ("/gone", "ready", "connection_cut"),
        ("/move", "ready", "destination_fault"),
    ],
)
def test_what_an_answer_means(study, hook: Hook, path, state, code):
    Destination.objects.update(url=f"fhir+{hook.url(path)}")
    take_report(study, "final", "Slutligt")
    assert send_all() == [state]
    assert Delivery.objects.get().reason_code == code
    assert hook.taken == []


def test_a_forbidden_address_is_not_told(study, hook: Hook, settings):
    settings.ALLOW_PRIVATE_DESTINATIONS = False
    take_report(study, "final", "Slutligt")
    assert send_all() == ["ready"]
    assert "private address" in Destination.objects.get().last_error
    assert hook.taken == []


def test_the_probe_closes_the_breaker(study, hook: Hook):
    Destination.objects.update(breaker="open", open_until=None, consecutive_failures=5)
    take_report(study, "final", "Slutligt")
    plan_deliveries()
    assert probe_destinations() == 1
    assert send_all() == ["delivered"]


def test_a_message_without_public_address_names_what_it_is_about_all_the_same(
    study, hook: Hook, settings, tmp_path: Path
):
    settings.PUBLIC_BASE_URL = ""
    take_report(study, "final", "Slutligt")
    assert send_all() == ["delivered"]
    (body,) = hook.bundles
    resources_of(body)
    assert body["entry"][0]["resource"]["focus"][0]["reference"] == body["entry"][1]["fullUrl"]
