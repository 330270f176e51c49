"""Reports on pages: labelled, newest on top, recorded by version, and told of when they are corrected."""

import re

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Order, Report, ReportReading, ReportVersion
from registry.report_readings import note_corrections
from repository.document_store import keep, store_bytes
from tests.frontend import factory

pytestmark = pytest.mark.django_db


def add_version(report: Report, status: str, text: str, **values) -> ReportVersion:
    number = report.versions.count() + 1
    return ReportVersion.objects.create(
        report=report, number=number, status=status, text=text, authored_at=timezone.now(), **values
    )


@pytest.fixture
def report(world) -> Report:
    world.study.reports.all().delete()
    row = Report.objects.create(patient=world.study.person, filler_number="R9", title="DT thorax")
    row.studies.add(world.study)
    add_version(row, "final", "Ingen propp.", author="Ek^Bo")
    return row


@pytest.mark.parametrize("page", ["study", "patient"])
def test_shows_state_author_and_time_and_keeps_earlier_ones_readable(world, portal, report, page) -> None:
    add_version(report, "corrected", "Propp.", author="Ek^Bo")
    address = world.pages[page] + (f"?study={world.study.study_instance_uid}" if page == "patient" else "")
    shown = portal.get(address).content.decode()
    assert shown.index("Propp.") < shown.index("Ingen propp.")
    assert "Corrected report" in shown
    assert "Final report" in shown
    assert "1 earlier version" in shown


def test_opens_what_an_addendum_adds_to(world, portal, report) -> None:
    add_version(report, "addendum", "Tillägg.")
    assert '<details class="earlier" open>' in portal.get(world.pages["study"]).content.decode()


def test_records_which_version_was_read(world, portal, report) -> None:
    portal.get(world.pages["study"])
    version = report.versions.get()
    portal.get(world.pages["study"])
    event = AuditEvent.objects.get(action="report_read", study_instance_uid=world.study.study_instance_uid)
    assert event.detail["report_versions"] == [version.pk]
    reading = ReportReading.objects.get()
    assert (reading.version, reading.correction) == (version, None)


def test_tells_of_a_correction_until_it_is_acknowledged(world, portal, report) -> None:
    portal.get(world.pages["study"])
    add_version(report, "corrected", "Propp.")
    note_corrections(report)
    for address in ("/", world.pages["patient"], world.pages["study"]):
        page = portal.get(address).content.decode()
        assert "A report that you have read has been corrected." in page
    [action] = re.findall(r'action="(/corrections/\d+/seen/)"', page)
    assert portal.post(action, {"next": "/"}).status_code == 302
    assert "has been corrected" not in portal.get("/").content.decode()
    assert portal.post(action).status_code == 404
    assert AuditEvent.objects.filter(action="correction_seen").count() == 1


def test_acknowledges_nothing_of_another_reader(world, portal, report) -> None:
    portal.get(world.pages["study"])
    add_version(report, "corrected", "Propp.")
    note_corrections(report)
    reading = ReportReading.objects.get()
    other = factory.make_person(world.region.lund, "annan")
    ReportReading.objects.filter(pk=reading.pk).update(user=other)
    assert portal.post(f"/corrections/{reading.pk}/seen/").status_code == 404
    assert "has been corrected" not in portal.get("/").content.decode()


def test_sends_the_file_of_a_report_to_whoever_may_see_its_study(world, portal, report) -> None:
    content = store_bytes(b"%PDF-1.4 x", "2.25.77", "application/pdf")
    keep(content)
    version = add_version(report, "corrected", "", document_unique_id="2.25.77")
    page = portal.get(world.pages["study"]).content.decode()
    [address] = re.findall(r'href="([^"]+/reports/\d+/file)"', page)
    answer = portal.get(address)
    assert b"".join(answer.streaming_content) == b"%PDF-1.4 x"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    hidden = factory.make_study(factory.make_patient("Ek^Olle", "L1", national=False), world.region.private)
    elsewhere = address.replace(world.study.study_instance_uid, hidden.study_instance_uid)
    assert portal.get(elsewhere).status_code == 404
    other = address.replace(str(version.pk), str(version.pk + 1000))
    assert portal.get(other).status_code == 404


def test_shows_the_request_beside_the_images(world, portal) -> None:
    order = Order.objects.create(
        patient=world.study.person, accession_number="A77", question="Propp?", urgency="urgent"
    )
    order.studies.add(world.study)
    page = portal.get(world.pages["stepper"]).content.decode()
    assert "Propp?" in page
    assert "Urgent" in page
