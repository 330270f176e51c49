"""What would open more is one line each; the acts behind the lines open it; nothing hidden can be counted."""

import pytest

from access.models import AuditEvent
from registry.models import ActiveChoice, CareRelation
from tests.frontend import factory
from tests.frontend.access_world import (
    CLINICIAN,
    agree,
    bare,
    block_provider,
    block_unit,
    consent_to_unit,
    log_in,
    make_hidden,
    mark,
    relate,
    search,
)

NUMBER = "191212121212"


@pytest.fixture
def tolvan(world):
    return factory.make_patient("Tolvansson^Tolvan", NUMBER, patient_birth_date="19121212", patient_sex="M")


@pytest.fixture
def doctor(world):
    return log_in(world.region.lund, "doktor", CLINICIAN)


def show(client, patient) -> str:
    answer = client.get(f"/patients/{patient.pk}/")
    assert answer.status_code == 200
    page: bytes = answer.content
    return page.decode()


def test_relation_is_stated_and_opens_what_may_then_be_chosen(world, doctor, tolvan):
    study = factory.make_study(tolvan, world.region.ystad, study_description="MR knä")
    search(doctor, NUMBER)
    page = show(doctor, tolvan)
    assert "There is no care relation to the patient" in page
    assert "MR knä" not in page
    assert "Östermåla" not in page
    answer = doctor.post(f"/patients/{tolvan.pk}/relation/", {"reason": "akut konsult"}, follow=True)
    page = answer.content.decode()
    assert "The care relation is noted; it holds for a day." in page
    assert "stated by you" in page
    assert "MR knä" in page
    assert "Choose to read" in page
    row = CareRelation.objects.get(source="self_declared")
    assert (row.reason, row.user.username) == ("akut konsult", "doktor")
    assert AuditEvent.objects.get(action="relation_declare").door == "portal"
    assert doctor.get(f"/studies/{study.study_instance_uid}/").status_code == 403


def test_relation_without_a_reason_is_asked_for_again(world, doctor, tolvan):
    factory.make_study(tolvan, world.region.ystad)
    search(doctor, NUMBER)
    page = doctor.post(f"/patients/{tolvan.pk}/relation/", {"reason": "x"}).content.decode()
    assert "This has to be corrected:" in page
    assert 'href="#id_reason"' in page
    assert not CareRelation.objects.filter(source="self_declared").exists()


def test_choice_of_a_unit_is_one_click_and_opens_all_of_it(world, doctor):
    newer = factory.make_study(
        world.patient, world.region.ystad, "MR", study_description="MR knä", accession_number="ACC-77"
    )
    page = show(doctor, world.patient)
    assert page.count(f'name="unit" value="{world.region.ystad.unit_id}"') == 2
    assert "UL buk</a>" not in page
    assert newer.accession_number not in page.split("MR knä")[1].split("</li>")[0]
    answer = doctor.post(
        f"/patients/{world.patient.pk}/choice/", {"unit": world.region.ystad.unit_id}, follow=True
    )
    page = answer.content.decode()
    assert "The other unit&#x27;s data are open to you for a day." in page
    assert "UL buk</a>" in page
    assert "MR knä</a>" in page
    assert ActiveChoice.objects.filter(assignment__user__username="doktor").count() == 1
    assert AuditEvent.objects.get(action="choice").patient_id == world.patient.pk


@pytest.mark.parametrize("unit", ["private", "999999", "x", "", "-1", "9" * 40])
def test_only_what_the_page_offers_can_be_chosen(world, doctor, unit):
    value = world.region.private.unit_id if unit == "private" else unit
    answer = doctor.post(f"/patients/{world.patient.pk}/choice/", {"unit": value})
    assert answer.status_code == 404
    assert not ActiveChoice.objects.filter(assignment__user__username="doktor").exists()


def test_study_of_another_unit_offers_the_choice_in_words(world, doctor):
    answer = doctor.get(f"/studies/{world.older.study_instance_uid}/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "The data are those of another care unit; choose to read them if the care needs it." in page
    assert "Märta Åkesson" in page
    event = AuditEvent.objects.get(action="read", outcome="refused")
    assert (event.rule, event.study_instance_uid) == ("8", world.older.study_instance_uid)
    answer = doctor.post(
        f"/patients/{world.patient.pk}/choice/",
        {"unit": world.region.ystad.unit_id, "reason": "inför operation"},
    )
    assert ActiveChoice.objects.get(assignment__user__username="doktor").reason == "inför operation"
    assert doctor.get(f"/studies/{world.older.study_instance_uid}/").status_code == 200


@pytest.mark.parametrize("kind", ["vip", "staff"])
def test_reason_is_asked_for_and_opens(world, doctor, kind):
    mark(world.patient, kind)
    search(doctor, "195103051230")
    page = show(doctor, world.patient)
    assert "give the reason, the access is reviewed" in page
    assert "DT thorax" not in page
    answer = doctor.post(f"/patients/{world.patient.pk}/reason/", {"reason": "kort"})
    assert "This has to be corrected:" in answer.content.decode()
    answer = doctor.post(
        f"/patients/{world.patient.pk}/reason/", {"reason": "remitterad till mig i dag"}, follow=True
    )
    assert "DT thorax uppföljning</a>" in answer.content.decode()
    assert (
        AuditEvent.objects.get(action="reason_given").detail["stated_reason"] == "remitterad till mig i dag"
    )


def test_consent_line_leads_to_registering_and_then_opens(world, doctor):
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    study = factory.make_study(world.patient, world.region.private, "MR", study_description="MR hjärna")
    page = show(doctor, world.patient)
    assert "Other care providers may hold information." in page
    assert f"/patients/{world.patient.pk}/consents/new/" in page
    assert "MR hjärna" not in page
    assert doctor.get(f"/studies/{study.study_instance_uid}/").status_code == 404
    consent_to_unit(world.patient, world.region.lund)
    page = show(doctor, world.patient)
    assert "MR hjärna</a>" in page
    assert "Other care providers may hold information." not in page
    assert "given by the patient" in page


def test_who_cannot_register_a_consent_is_told_who_can(world, portal):
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    factory.make_study(world.patient, world.region.private)
    page = show(portal, world.patient)
    assert "Somebody whose assignment registers consents can open it." in page
    assert "/consents/new/" not in page


@pytest.mark.parametrize("closing", ["consent", "block", "outer block", "silent", "relation"])
def test_page_is_the_same_with_one_and_with_ten_hidden_studies(world, doctor, tolvan, closing):
    """Page, rows, chips and the API say the same whether one study is hidden or ten."""
    agree(world.region.lund.unit.provider, world.region.private.unit.provider)
    patient = tolvan if closing == "relation" else world.patient
    at = world.region.private if closing in ("consent", "outer block") else world.region.ystad
    if closing in ("block", "silent"):
        block_unit(patient, at, is_silent=closing == "silent")
    if closing == "outer block":
        block_provider(patient, at)
    make_hidden(patient, at, 1)
    pages = []
    for _round in range(2):
        search(doctor, NUMBER if closing == "relation" else "195103051230")
        pages.append(
            (
                bare(show(doctor, patient)),
                bare(search(doctor, NUMBER)),
                doctor.get(f"/dicom-web/studies?PatientID={NUMBER}&includefield=all").content,
                doctor.get("/dicom-web/studies?PatientID=195103051230").content,
            )
        )
        make_hidden(patient, at, 9)
    assert pages[0] == pages[1]
    for text in ("Hemlig", "H0", "Bildkliniken Fyren"):
        assert text not in pages[0][0]


def test_blocked_line_is_told_in_a_relation_only_and_never_of_silent_blocks(world, doctor, tolvan):
    relate(tolvan, world.region.lund)
    factory.make_study(tolvan, world.region.ystad)
    silent = block_unit(tolvan, world.region.ystad, is_silent=True)
    page = show(doctor, tolvan)
    assert "Blocked information exists." not in page
    assert "Emergency opening…" in page
    silent.cancelled_at = silent.valid_from
    silent.save()
    block_unit(tolvan, world.region.ystad)
    page = show(doctor, tolvan)
    assert "Blocked information exists." in page
    assert f"/patients/{tolvan.pk}/emergency/" in page


def test_sentence_of_the_decision_is_on_the_study_and_with_the_selected_row(world, doctor):
    for address in (f"/patients/{world.patient.pk}/", f"/studies/{world.study.study_instance_uid}/"):
        page = doctor.get(address).content.decode()
        assert "Why do I see this?" in page
        assert "The unit takes part in the patient&#x27;s care." in page
        assert "Rule 8" in page
    event = AuditEvent.objects.filter(action="read", actor="doktor").latest("pk")
    assert (event.rule, event.detail["reason"]) == ("8", "relation")


def test_banner_says_the_relation_and_until_when(world, doctor):
    page = show(doctor, world.patient)
    assert "examined here" in page
    assert "Care relation" in page


def test_protected_identity_is_marked_on_every_page(world, doctor):
    mark(world.patient, "protected_2")
    search(doctor, "195103051230")
    for address in (f"/patients/{world.patient.pk}/", f"/studies/{world.study.study_instance_uid}/"):
        page = doctor.get(address).content.decode()
        assert "Protected identity" in page
        assert "say to nobody where the patient is" in page


def test_protected_identity_says_no_place_anywhere(world, doctor):
    mark(world.patient, "protected_1")
    search(doctor, "195103051230")
    doctor.post(f"/patients/{world.patient.pk}/choice/", {"unit": world.region.ystad.unit_id})
    base = f"/studies/{world.study.study_instance_uid}/"
    for address in (
        f"/patients/{world.patient.pk}/",
        base,
        f"{base}series/{world.series.series_instance_uid}/",
    ):
        page = doctor.get(address).content.decode().split("</header>")[1]
        assert "place not shown" in page, address
        for place in ("Östermåla", "Röntgenavdelningen", "Åstads", "Ortopedkliniken"):
            assert place not in page, (address, place)
    assert doctor.get(f"{base}distribution/").status_code == 204


def test_refusals_at_every_door_of_the_portal_are_logged_with_their_rule(world, doctor):
    hidden = factory.make_study(world.patient, world.region.private)
    series = factory.make_series(hidden)
    base = f"/studies/{hidden.study_instance_uid}/"
    pages = (base, f"{base}distribution/", f"{base}series/{series.series_instance_uid}/")
    for address in pages:
        assert doctor.get(address).status_code == 404
    events = AuditEvent.objects.filter(action="read", outcome="refused", door="portal")
    assert {event.rule for event in events} == {"2"}
    assert {event.study_instance_uid for event in events} == {hidden.study_instance_uid}


def test_live_part_of_a_page_that_closed_loads_the_page_anew(world, doctor):
    hidden = factory.make_study(world.patient, world.region.private)
    for uid in (hidden.study_instance_uid, "1.2.3.4"):
        answer = doctor.get(f"/studies/{uid}/distribution/", headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers.get("HX-Refresh")) == (204, "true")


def test_acts_are_posts_with_a_token(world, doctor):
    doctor.handler.enforce_csrf_checks = True
    for act in ("relation", "reason", "choice", "emergency"):
        answer = doctor.post(f"/patients/{world.patient.pk}/{act}/", {"reason": "utan kvitto"})
        assert answer.status_code == 403
    assert doctor.get(f"/patients/{world.patient.pk}/choice/").status_code == 405
