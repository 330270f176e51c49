"""ServiceRequest and DiagnosticReport: of the studies one may see, version by version, each reading in the log."""

from base64 import b64decode
from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Order, Report, ReportReading, ReportVersion
from tests.registry.factories import make_department, make_share, make_uid
from tests.registry.fhir.consent_rows import make_block
from tests.registry.fhir.oracle import check_resource, read_xml
from tests.registry.fhir.test_imaging_study import NUMBER, SYSTEM, ids_of, make_known

NOW = timezone.now()


def make_order(study, **values) -> Order:
    """Make an order of a study, placed by another department."""
    columns = {
        "patient": study.person,
        "accession_number": make_uid(),
        "accession_issuer": "1.2.3",
        "placer_order_number": "P1",
        "placer_issuer": "1.2.4",
        "performing_department": study.custodian,
        "procedure_code": "CT-CHEST",
        "procedure_code_scheme": "1.2.5",
        "procedure_text": "DT thorax",
        "question": "Lungemboli?",
        "history": "Dyspné",
        "urgency": "S",
        "requester": "SE1^Ek^Eva",
        "ordered_at": NOW,
    }
    order = Order.objects.create(**columns | values)
    order.studies.add(study)
    return order


def make_report(study, *statuses, orders=(), **values) -> Report:
    """Make a report with a version for each status, the first the oldest."""
    columns = {"patient": study.person, "filler_number": make_uid(), "issuer": "1.2.6", "title": "DT thorax"}
    report = Report.objects.create(**columns | values)
    report.studies.add(study)
    report.orders.set(orders)
    for number, status in enumerate(statuses, 1):
        ReportVersion.objects.create(
            report=report,
            number=number,
            status=status,
            author="SE2^Öberg^Åsa",
            text=f"Utlåtande {number}: ingen lungemboli",
            authored_at=NOW - timedelta(days=len(statuses) - number),
        )
    return report


def test_an_order_is_one_resource(ask, department):
    order = make_order(make_known(department), ordering_department=make_department())
    resource = ask(f"ServiceRequest/{order.pk}").json()
    assert (resource["status"], resource["intent"], resource["priority"]) == ("active", "order", "stat")
    assert [one["value"] for one in resource["identifier"]] == [order.accession_number, "P1"]
    assert resource["identifier"][0]["system"] == "urn:oid:1.2.3"
    assert resource["code"] == {
        "coding": [{"code": "CT-CHEST", "system": "urn:oid:1.2.5"}],
        "text": "DT thorax",
    }
    assert resource["reasonCode"] == [{"text": "Lungemboli?"}]
    assert resource["note"] == [{"text": "Dyspné"}]
    assert resource["requester"]["display"].startswith("Eva Ek, Radiology")
    assert resource["subject"]["identifier"]["value"] == NUMBER
    performer = ask(resource["performer"][0]["reference"]).json()
    assert performer["identifier"][0]["value"] == department.hsa_id


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        (f"patient.identifier={SYSTEM}|{NUMBER}", True),
        (f"patient.identifier={SYSTEM}|202001012392", False),
        ("identifier=A1", True),
        ("identifier=urn:oid:1.2.3|A1", True),
        ("identifier=urn:oid:1.2.4|A1", False),
        ("identifier=urn:oid:1.2.4|P1", True),
        ("status=active", True),
        ("status=revoked", False),
        ("status=active,completed", True),
        ("priority=stat", True),
        ("priority=routine", False),
        ("intent=order", True),
        ("intent=plan", False),
        ("code=CT-CHEST", True),
        ("code=urn:oid:1.2.9|CT-CHEST", False),
        ("authored=ge2020-01-01", True),
        ("authored=lt2020-01-01", False),
        ("authored=ne2020-01-01", True),
        ("_sort=-authored", True),
    ],
)
def test_parameters_of_orders(ask, department, query, finds):
    order = make_order(make_known(department), accession_number="A1")
    assert ids_of(ask(f"ServiceRequest?{query}")) == ([str(order.pk)] if finds else [])


def test_orders_are_found_by_the_department_that_asks(ask, department):
    other = make_department()
    order = make_order(make_known(department), ordering_department=other)
    assert ids_of(ask(f"ServiceRequest?requester=Organization/{other.hsa_id}")) == [str(order.pk)]
    assert ids_of(ask(f"ServiceRequest?requester={department.hsa_id}")) == []
    assert ids_of(ask(f"ServiceRequest?requester.identifier={other.hsa_id}")) == [str(order.pk)]


def test_a_report_is_its_newest_version(ask, department):
    study = make_known(department, study_time="101500")
    order = make_order(study)
    report = make_report(study, "preliminary", "final", orders=[order])
    resource = ask(f"DiagnosticReport/{report.pk}").json()
    assert (resource["status"], resource["code"]["text"]) == ("final", "DT thorax")
    assert resource["basedOn"][0]["reference"] == f"ServiceRequest/{order.pk}"
    assert resource["imagingStudy"][0]["reference"] == f"ImagingStudy/{study.study_instance_uid}"
    assert resource["effectiveDateTime"].startswith("2025-03-14T10:15:00")
    assert resource["resultsInterpreter"] == [{"display": "Åsa Öberg"}]
    assert resource["performer"][0]["identifier"]["value"] == department.hsa_id
    [form] = resource["presentedForm"]
    assert b64decode(form["data"]).decode() == "Utlåtande 2: ingen lungemboli"
    assert (form["contentType"], form["language"]) == ("text/plain; charset=utf-8", "sv")


@pytest.mark.parametrize(
    ("own", "status"),
    [
        ("preliminary", "preliminary"),
        ("final", "final"),
        ("addendum", "appended"),
        ("corrected", "corrected"),
        ("amended", "amended"),
        ("cancelled", "cancelled"),
    ],
)
def test_the_status_is_that_of_the_newest_version(ask, department, own, status):
    report = make_report(make_known(department), "preliminary", own)
    assert ask(f"DiagnosticReport/{report.pk}").json()["status"] == status
    assert ids_of(ask(f"DiagnosticReport?status={status}")) == [str(report.pk)]
    assert ids_of(ask("DiagnosticReport?status=registered")) == []


def test_earlier_versions_are_read_by_history_and_each_reading_is_in_the_log(ask, department):
    report = make_report(make_known(department), "preliminary", "final", "corrected")
    newest = ask(f"DiagnosticReport/{report.pk}")
    history = ask(f"DiagnosticReport/{report.pk}/_history").json()
    assert [entry["resource"]["status"] for entry in history["entry"]] == [
        "corrected",
        "final",
        "preliminary",
    ]
    assert (history["type"], history["total"]) == ("history", 3)
    oldest = history["entry"][2]["resource"]["meta"]["versionId"]
    AuditEvent.objects.all().delete()
    answer = ask(f"DiagnosticReport/{report.pk}/_history/{oldest}")
    assert answer.json()["status"] == "preliminary"
    assert answer.headers["ETag"] == f'W/"{oldest}"' != newest.headers["ETag"]
    event = AuditEvent.objects.get()
    assert (event.action, event.patient_id) == ("read", report.patient_id)
    assert event.detail["report_version"] == int(oldest)
    known = ask(f"DiagnosticReport/{report.pk}/_history/{oldest}", If_None_Match=f'W/"{oldest}"')
    assert known.status_code == 304
    other = make_report(make_known(department), "final")
    for path in (f"{other.pk}/_history/{oldest}", f"{report.pk}/_history/0", f"{report.pk}/_history/x"):
        assert ask(f"DiagnosticReport/{path}").status_code == 404


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        (f"patient.identifier={SYSTEM}|{NUMBER}", True),
        ("identifier=urn:oid:1.2.6|F1", True),
        ("identifier=urn:oid:1.2.7|F1", False),
        ("identifier=F1", True),
        ("date=2025-03-14", True),
        ("date=ge2025-03-15", False),
        ("issued=ge2026-01-01", True),
        ("issued=lt2026-01-01", False),
        ("based-on.identifier=urn:oid:1.2.3|A1", True),
        ("based-on.identifier=A2", False),
        ("study=2.25.77", True),
        ("study=ImagingStudy/2.25.77", True),
        ("imaging-study.identifier=urn:dicom:uid|urn:oid:2.25.77", True),
        ("imagingstudy=2.25.78", False),
        ("category=RAD", True),
        ("category=LAB", False),
        ("_sort=-issued", True),
    ],
)
def test_parameters_of_reports(ask, department, query, finds):
    study = make_known(department, study_instance_uid="2.25.77", study_time="101500")
    order = make_order(study, accession_number="A1")
    report = make_report(study, "final", orders=[order], filler_number="F1")
    assert ids_of(ask(f"DiagnosticReport?{query}")) == ([str(report.pk)] if finds else [])


def test_what_is_not_visible_is_not_there(ask, department, token_of):
    study = make_known(department)
    order = make_order(study, placer_order_number="")
    report = make_report(study, "final", orders=[order])
    stranger = token_of(make_department(), "read")
    for kind, row in (("ServiceRequest", order), ("DiagnosticReport", report)):
        hidden = ask(f"{kind}/{row.pk}", token=stranger)
        unknown = ask(f"{kind}/999999", token=stranger)
        assert (hidden.status_code, hidden.content) == (404, unknown.content)
        found = ask(f"{kind}?patient.identifier={SYSTEM}|{NUMBER}", token=stranger).json()
        assert (found["total"], "entry" in found) == (0, False)
    version = report.versions.get().pk
    assert ask(f"DiagnosticReport/{report.pk}/_history/{version}", token=stranger).status_code == 404
    assert ask(f"DiagnosticReport/{report.pk}/_history", token=stranger).status_code == 404
    writer = token_of(department, "store")
    assert ask(f"DiagnosticReport/{report.pk}", token=writer).status_code == 403
    assert ask("ServiceRequest", token=writer).status_code == 403


def test_includes_follow_references_both_ways_and_stop_at_what_is_hidden(ask, department, token_of):
    study = make_known(department)
    order = make_order(study)
    report = make_report(study, "final", orders=[order])
    found = ask(
        f"DiagnosticReport?_id={report.pk}&_include=DiagnosticReport:based-on&_include=DiagnosticReport:study"
        "&_include=DiagnosticReport:patient"
    ).json()
    included = {
        (entry["resource"]["resourceType"], entry["resource"]["id"])
        for entry in found["entry"]
        if entry["search"]["mode"] == "include"
    }
    assert included == {
        ("ServiceRequest", str(order.pk)),
        ("ImagingStudy", study.study_instance_uid),
        ("Patient", str(study.person_id)),
    }
    assert found["total"] == 1
    back = ask(f"ServiceRequest?_id={order.pk}&_revinclude=DiagnosticReport:based-on").json()
    assert [entry["resource"]["resourceType"] for entry in back["entry"]] == [
        "ServiceRequest",
        "DiagnosticReport",
    ]
    warned = ask(f"ServiceRequest?_id={order.pk}&_include=ServiceRequest:specimen").json()
    assert warned["entry"][-1]["search"]["mode"] == "outcome"


def test_pages_and_xml(ask, department):
    study = make_known(department)
    reports = [make_report(study, "final") for _ in range(5)]
    first = ask("DiagnosticReport?_count=2").json()
    seen = [entry["resource"]["id"] for entry in first["entry"]]
    page = first
    while link := next((one["url"] for one in page["link"] if one["relation"] == "next"), None):
        page = ask(link.partition("/fhir/")[2]).json()
        seen += [entry["resource"]["id"] for entry in page.get("entry", [])]
    assert seen == [str(report.pk) for report in reversed(reports)]
    xml = ask(f"DiagnosticReport/{reports[0].pk}?_format=xml")
    resource = read_xml(xml.content)
    check_resource(ask(f"DiagnosticReport/{reports[0].pk}").json())
    assert resource["status"] == "final"


def test_a_search_that_shows_reports_has_read_them(ask, department):
    report = make_report(make_known(department), "final")
    ids_of(ask("DiagnosticReport"))
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["search", "read"]
    assert AuditEvent.objects.last().detail["report"] == report.pk


def test_studies_come_with_their_reports_and_patients(ask, department):
    study = make_known(department)
    report = make_report(study, "final")
    found = ask(
        f"ImagingStudy?_id={study.study_instance_uid}&_revinclude=DiagnosticReport:study"
        "&_include=ImagingStudy:patient"
    ).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [
        study.study_instance_uid,
        str(study.person_id),
        str(report.pk),
    ]
    assert AuditEvent.objects.filter(action="read", detail__report=report.pk).count() == 1


def test_what_the_patient_blocked_is_closed_by_fhir_too(ask, department, token_of):
    study = make_known(department)
    order = make_order(study)
    report = make_report(study, "final", orders=[order])
    colleague = make_department(department.unit.provider)
    reader = token_of(colleague, "read")
    paths = (f"DiagnosticReport/{report.pk}", f"ServiceRequest/{order.pk}")
    make_share(study, colleague, basis="delivery")
    assert [ask(path, token=reader).status_code for path in paths] == [200, 200]
    make_block(study.person, unit=department.unit)
    assert [ask(path, token=reader).status_code for path in paths] == [404, 404]


def test_who_read_a_version_is_known_when_it_is_corrected(ask, department):
    report = make_report(make_known(department), "preliminary", "final")
    oldest = report.versions.get(number=1)
    assert ask(f"DiagnosticReport/{report.pk}/_history/{oldest.pk}").status_code == 200
    assert [row.version_id for row in ReportReading.objects.filter(department=department)] == [oldest.pk]
    ask(f"DiagnosticReport/{report.pk}")
    ask(f"DiagnosticReport/{report.pk}")
    assert ReportReading.objects.count() == 2
