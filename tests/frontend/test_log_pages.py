"""Everybody sees their own accesses; reviewers the unit's; the patient gets an extract, in four forms."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from pypdf import PdfReader

from access.models import AuditEvent
from registry.models import LogReview
from registry.review.samples import draw_review
from tests.frontend import factory
from tests.frontend.access_world import CLINICIAN, HEAD, log_in, mark, open_browser
from tests.registry.care import make_officer

NUMBER = "19510305-1230"


@pytest.fixture
def doctor(world):
    return log_in(world.region.lund, "doktor", CLINICIAN, "Läkare på akuten")


@pytest.fixture
def head(world):
    return log_in(world.region.lund, "chef", HEAD)


def open_log(client, world):
    answer = client.post("/log/patient/", {"number": NUMBER})
    assert answer.headers["Location"] == f"/patients/{world.patient.pk}/log/"
    return client.get(answer.headers["Location"]).content.decode()


def test_own_accesses_say_what_why_and_which_patient(world, doctor):
    doctor.get(f"/patients/{world.patient.pk}/")
    page = doctor.get("/log/").content.decode()
    assert "Märta Åkesson" in page
    assert NUMBER in page
    assert "DT thorax uppföljning" in page
    assert "The unit takes part in the patient&#x27;s care." in page
    assert "Read the data" in page
    assert AuditEvent.objects.filter(action="audit_read", actor="doktor").exists()


def test_own_accesses_do_not_tell_what_was_refused(world, doctor):
    hidden = factory.make_patient("Tolvansson^Tolvan", "191212121212")
    study = factory.make_study(hidden, world.region.private, study_description="Hemlig")
    doctor.get(f"/studies/{study.study_instance_uid}/")
    assert AuditEvent.objects.filter(outcome="refused", patient_id=hidden.pk).exists()
    for query in ("", "?outcome=refused", "?actor=someone"):
        page = doctor.get(f"/log/{query}").content.decode()
        assert "Tolvansson" not in page
        assert "Hemlig" not in page


def test_own_accesses_are_only_the_own(world, doctor, head):
    doctor.get(f"/patients/{world.patient.pk}/")
    assert "Märta Åkesson" not in head.get("/log/?actor=doktor").content.decode()


def test_log_is_paged_and_filtered(world, doctor):
    for index in range(60):
        AuditEvent.objects.create(
            recorded_at=timezone.now() - timedelta(days=index),
            action="read" if index % 2 else "search",
            outcome="success",
            actor="doktor",
            actor_kind="person",
            patient_id=world.patient.pk,
        )
    first = doctor.get("/log/?action=read").content.decode()
    assert first.count("<tr>") == 31
    page = doctor.get("/log/").content.decode()
    assert page.count("<tr>") == 51
    older = page.split('rel="next"')[0].split('href="')[-1].replace("&amp;", "&").strip('" ')
    assert doctor.get(f"/log/{older}").content.decode().count("<tr>") >= 11
    since = f"{timezone.localdate() - timedelta(days=3):%Y-%m-%d}"
    assert doctor.get(f"/log/?since={since}").content.decode().count("<tr>") < 9
    assert doctor.get("/log/?after=nonsense").status_code == 404
    assert doctor.get("/log/?since=x&until=y&action=z").status_code == 200


def test_patients_log_is_asked_for_by_number_and_shows_the_own_units_accesses(world, doctor, head):
    doctor.get(f"/patients/{world.patient.pk}/")
    stranger = log_in(world.region.ystad, "annan", CLINICIAN)
    stranger.get(f"/patients/{world.patient.pk}/")
    assert head.get(f"/patients/{world.patient.pk}/log/").status_code == 404
    page = open_log(head, world)
    assert "Läkare på akuten" in page
    assert "annan" not in page
    assert "Östermåla lasarett" not in page
    assert head.get(f"/patients/{world.patient.pk}/log/?actor=nobody").content.decode().count("<tr>") == 0
    assert doctor.get(f"/patients/{world.patient.pk}/log/").status_code == 403
    assert doctor.get("/log/patient/").status_code == 403
    event = AuditEvent.objects.filter(action="audit_read", actor="chef").latest("pk")
    assert event.patient_id == world.patient.pk


@pytest.mark.parametrize("number", ["191212121212", "191011111232", "okänt"])
def test_patient_of_whom_the_units_log_does_not_speak_is_as_unknown_as_nobody(world, head, number):
    hidden = factory.make_patient("Tolvansson^Tolvan", "191212121212")
    factory.make_study(hidden, world.region.ystad)
    page = head.post("/log/patient/", {"number": number}).content.decode()
    assert "The log of your unit does not speak of a patient with this number." in page


def test_protected_staff_are_named_by_role(world, head):
    user = factory.make_person(None, "skyddad", is_protected=True)
    factory.assign(user, world.region.lund, "Sjuksköterska", CLINICIAN)
    open_browser(user).get(f"/patients/{world.patient.pk}/")
    page = open_log(head, world)
    assert "Sjuksköterska" in page
    assert "Protected identity" in page
    page = head.get(f"/patients/{world.patient.pk}/log/extract/").content.decode()
    assert "Sjuksköterska, (the name is protected)" in page


def test_extract_is_a_page_and_three_files(world, doctor, head):
    doctor.get(f"/patients/{world.patient.pk}/")
    open_log(head, world)
    base = f"/patients/{world.patient.pk}/log/extract"
    page = head.get(f"{base}/").content.decode()
    assert "Läkare på akuten, Maria Nilsson" in page
    assert "Read the data: 2026-11-02 DT thorax uppföljning" in page
    files = {kind: head.get(f"{base}.{kind}") for kind in ("pdf", "csv", "html")}
    for kind, answer in files.items():
        assert answer.status_code == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="log-extract.{kind}"'
    text = "".join(one.extract_text() for one in PdfReader(io.BytesIO(files["pdf"].content)).pages)
    assert "Märta Åkesson" in text
    assert "DT thorax uppföljning" in files["csv"].content.decode("utf-8-sig")
    assert head.get(f"{base}.exe").status_code == 404
    assert AuditEvent.objects.filter(action="audit_read", detail__form="pdf").exists()


def test_extract_needs_the_right_the_log_and_a_second_factor(world, doctor, head, settings):
    doctor.get(f"/patients/{world.patient.pk}/")
    base = f"/patients/{world.patient.pk}/log/extract"
    assert head.get(f"{base}/").status_code == 404
    assert head.get(f"{base}.pdf").status_code == 404
    assert doctor.get(f"{base}.pdf").status_code == 403
    open_log(head, world)
    settings.STEP_UP = True
    assert head.get(f"{base}.pdf").headers["Location"].startswith("/accounts/2fa/")


def test_no_table_of_a_protected_identity_leaves(world, doctor, head):
    doctor.get(f"/patients/{world.patient.pk}/")
    mark(world.patient, "protected_1")
    open_log(head, world)
    base = f"/patients/{world.patient.pk}/log/extract"
    assert f"{base}.csv" not in head.get(f"{base}/").content.decode()
    assert head.get(f"{base}.csv").status_code == 404
    assert head.get(f"{base}.pdf").status_code == 200


@pytest.fixture
def sample(world, doctor) -> LogReview:
    doctor.get(f"/patients/{world.patient.pk}/")
    AuditEvent.objects.filter(action="read").update(recorded_at=timezone.now() - timedelta(days=2))
    since, until = timezone.now() - timedelta(days=10), timezone.now() - timedelta(days=1)
    return draw_review(replace(make_officer(), kind="duty"), world.region.lund.unit, since, until)


def test_sample_is_judged_and_signed(world, head, sample):
    page = head.get("/review/").content.decode()
    assert "drawn from 1 access" in page
    address = f"/review/samples/{sample.pk}/"
    page = head.get(address).content.decode()
    assert "Drawn: at random" in page
    assert "Märta Åkesson" in page
    page = head.post(address, {"summary": "allt väl"}).content.decode()
    assert "Some accesses of the sample have no finding yet." in page
    item = sample.items.get()
    page = head.post(f"{address}{item.pk}/", {"finding": "misuse", "text": ""}, follow=True).content.decode()
    assert "Say in at least 10 characters what was found." in page
    head.post(f"{address}{item.pk}/", {"finding": "question", "text": "varför denna patient?"})
    page = head.post(address, {"summary": "en fråga ställd"}, follow=True).content.decode()
    assert "The review is signed." in page
    sample.refresh_from_db()
    assert (sample.signed_by, sample.summary) == ("chef", "en fråga ställd")
    page = head.get(address).content.decode()
    assert "varför denna patient?" in page
    assert "Note the finding" not in page


def test_sample_of_another_unit_is_unknown_and_late_ones_are_marked(world, head, sample):
    LogReview.objects.update(due_at=timezone.now() - timedelta(days=1))
    assert "Overdue" in head.get("/review/").content.decode()
    stranger = log_in(world.region.ystad, "annanchef", HEAD)
    assert stranger.get(f"/review/samples/{sample.pk}/").status_code == 404
    item = sample.items.get()
    answer = stranger.post(f"/review/samples/{sample.pk}/{item.pk}/", {"finding": "justified"})
    assert answer.status_code == 404


def test_custodian_sees_who_outside_read(world, doctor, head):
    stranger = log_in(world.region.ystad, "annan", CLINICIAN)
    factory.make_study(world.patient, world.region.ystad)
    stranger.post(f"/patients/{world.patient.pk}/choice/", {"unit": world.region.lund.unit_id})
    stranger.get(f"/studies/{world.study.study_instance_uid}/")
    doctor.get(f"/studies/{world.study.study_instance_uid}/")
    page = head.get("/review/outside/").content.decode()
    assert "Röntgenavdelningen, Östermåla lasarett" in page
    assert "Läkare på akuten" not in page


def test_sections_are_those_of_the_assignment(world, portal, head):
    page = portal.get("/").content.decode()
    assert 'href="/log/"' in page
    assert 'href="/review/"' not in page
    assert 'href="/decisions/"' not in page
    page = head.get("/").content.decode()
    for section in ("/log/", "/review/", "/decisions/"):
        assert f'href="{section}"' in page
