"""Reports and requests as documents about their study."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Association, DocumentEntry, Order, Report, ReportVersion
from registry.models.document import APPROVED, DEPRECATED
from repository.models import Publication
from repository.xds.backlog import Backlog, read_backlog
from repository.xds.publish import publish_due
from tests.repository.xds.test_publish import body_of, make_known_study, tell

pytestmark = pytest.mark.django_db(transaction=True)


def add_version(report, number, status, text):
    return ReportVersion.objects.create(
        report=report, number=number, status=status, text=text, author="Rut Ray", authored_at=timezone.now()
    )


def test_versions_of_a_report_replace_or_append():
    study = make_known_study()
    report = Report.objects.create(patient=study.person, filler_number="R1", title="DT buk")
    report.studies.add(study)
    add_version(report, 1, "final", "Inga förändringar.")
    tell("report_version", study)
    publish_due()
    publish_due()
    [first] = DocumentEntry.objects.filter(maker="report")
    assert body_of(first).decode() == "Inga förändringar."
    assert (first.study, first.class_code["code"]) == (study, "REPORTS")
    add_version(report, 2, "addendum", "Tillägg.")
    tell("report_version", study)
    publish_due()
    appended = DocumentEntry.objects.get(report_version__number=2)
    assert Association.objects.filter(
        kind="APND", source_uuid=appended.entry_uuid, target_uuid=first.entry_uuid
    ).exists()
    add_version(report, 3, "corrected", "En förändring.")
    tell("report_version", study)
    publish_due()
    corrected = DocumentEntry.objects.get(report_version__number=3)
    assert Association.objects.filter(
        kind="RPLC", source_uuid=corrected.entry_uuid, target_uuid=first.entry_uuid
    ).exists()
    statuses = dict(
        DocumentEntry.objects.filter(maker="report").values_list("report_version__number", "status")
    )
    assert statuses == {1: DEPRECATED, 2: DEPRECATED, 3: APPROVED}


def test_a_request_is_a_document_that_follows_its_order():
    study = make_known_study()
    order = Order.objects.create(
        patient=study.person, accession_number="A1", procedure_text="DT buk", question="Sten?"
    )
    order.studies.add(study)
    tell("order_changed", study)
    publish_due()
    [first] = DocumentEntry.objects.filter(maker="request")
    assert body_of(first).decode() == "DT buk\n\nSten?"
    Order.objects.filter(pk=order.pk).update(question="Sten eller tumör?")
    tell("order_changed", study)
    publish_due()
    publish_due()
    assert DocumentEntry.objects.get(maker="request", status=APPROVED).order == order
    assert DocumentEntry.objects.filter(maker="request").count() == 2


def test_a_text_that_is_refused_keeps_neither_images_nor_other_texts_back(caplog):
    study = make_known_study()
    order = Order.objects.create(patient=study.person, accession_number="A1", procedure_text="DT buk")
    order.studies.add(study)
    for number, author in (("R1", "^^^^"), ("R2", "Rut Ray")):  # nobody can be named so
        report = Report.objects.create(patient=study.person, filler_number=number)
        report.studies.add(study)
        for version in (1, 2):
            add_version(report, version, "final", f"Text {version}")
        ReportVersion.objects.filter(report=report, number=1).update(author=author)
    tell("report_version", study)
    assert publish_due() == 0
    row = Publication.objects.get()
    assert row.error.startswith(f"UnpublishedTexts: report {Report.objects.get(filler_number='R1').pk}: ")
    found = DocumentEntry.objects.filter(status=APPROVED).order_by("maker", "pk")
    assert list(found.values_list("maker", flat=True)) == ["fhir", "kos", "mado", "report", "request"]
    backlog = read_backlog()
    assert (backlog.waiting, backlog.failed) == (0, 1)
    assert backlog.oldest_failed_s > 0
    ReportVersion.objects.update(author="Rut Ray")
    Publication.objects.update(due_at=timezone.now())
    assert publish_due() == 1
    replaced = DocumentEntry.objects.filter(report_version__report__filler_number="R1").order_by("pk")
    assert [(entry.report_version.number, entry.status) for entry in replaced] == [
        (1, DEPRECATED),
        (2, APPROVED),
    ]
    assert read_backlog() == Backlog(0, 0, 0.0, 0.0)


def test_the_monitoring_is_told_of_what_waits(vendor):
    study = make_known_study()
    Publication.objects.create(
        study_instance_uid=study.study_instance_uid,
        due_at=timezone.now(),
        asked_at=timezone.now() - timedelta(seconds=90),
    )
    answer = vendor.client.get("/metrics", headers=vendor.headers)
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines())
    assert lines['samsyn_publications{state="waiting"}'] == "1"
    assert lines['samsyn_publications{state="failed"}'] == "0"
    assert 90 <= int(lines['samsyn_publication_oldest_seconds{state="waiting"}']) < 120
