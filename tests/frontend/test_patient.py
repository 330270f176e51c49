"""The patient page: all hospitals, newest first; nothing of what may not be seen."""

import re

from access.models import AuditEvent
from registry.identity import PatientNumber
from registry.merges import merge
from registry.models import Patient, PatientIdentifier
from tests.frontend import factory
from tests.frontend.test_search import without_tokens


def test_banner_and_rows_newest_first(world, portal):
    page = portal.get(f"/patients/{world.patient.pk}/").content.decode()
    assert "Märta Åkesson" in page
    assert "19510305-1230" in page
    assert "75 years, woman" in page
    assert page.index("DT thorax uppföljning</a>") < page.index("UL buk</a>")
    assert "Åstads universitetssjukhus · A1 · 3 images" in page
    assert "Final report" in page
    assert 'title="Computed tomography (CT)"' in page


def test_newest_study_is_selected_with_report_request_and_distribution(world, portal):
    page = portal.get(f"/patients/{world.patient.pk}/").content.decode()
    assert "Oförändrad nodulus." in page
    assert "1 earlier version" in page
    assert "Oklar förtätning." in page
    assert "Anna Berg" in page
    assert "Tillväxt?" in page
    assert "Urgency: Urgent" in page
    assert "The receiver does not answer." in page


def test_another_row_is_selected_by_a_link(world, portal):
    address = f"/patients/{world.patient.pk}/?study={world.older.study_instance_uid}"
    page = portal.get(address).content.decode()
    assert "Oförändrad nodulus." not in page
    assert "No report has been received for this study." in page


def test_chips_filter_by_hospital_and_modality(world, portal):
    unit = world.region.ystad.unit_id
    for query in (f"?unit={unit}", "?modality=US"):
        page = portal.get(f"/patients/{world.patient.pk}/{query}").content.decode()
        assert "Studies</h2>" not in page
        assert re.search(r"Studies\s*\(1 of 2\)", page)
        assert "UL buk</a>" in page
        assert "DT thorax uppföljning</a>" not in page


def test_filter_without_a_match_offers_all(world, portal):
    page = portal.get(f"/patients/{world.patient.pk}/?unit=9999&modality=XX").content.decode()
    assert "No studies match the filter." in page
    assert "Show all studies" in page


def test_patient_of_another_care_provider_is_the_same_404_as_an_unknown(world, portal):
    hidden = factory.make_patient("Tolvansson^Tolvan", "191212121212")
    factory.make_study(hidden, world.region.private)
    answers = [portal.get(f"/patients/{pk}/") for pk in (hidden.pk, 999999)]
    assert [answer.status_code for answer in answers] == [404, 404]
    pages = [re.sub(r"/patients/\d+/", "", answer.content.decode()) for answer in answers]
    assert without_tokens(pages[0]) == without_tokens(pages[1])


def test_hidden_studies_of_a_visible_patient_leave_no_trace(world, portal):
    before = portal.get(f"/patients/{world.patient.pk}/").content.decode()
    study = factory.make_study(world.patient, world.region.private, "MR", study_date="20261120")
    factory.make_report(study, ("final", "Hemligt."))
    after = portal.get(f"/patients/{world.patient.pk}/").content.decode()
    assert without_tokens(after) == without_tokens(before)
    chosen = portal.get(f"/patients/{world.patient.pk}/?study={study.study_instance_uid}").content.decode()
    assert "Hemligt." not in chosen


def test_hostile_texts_are_escaped(world, portal):
    script = "<script>alert(1)</script>"
    patient = factory.make_patient(f"{script}^Eva", "L1", national=False)
    study = factory.make_study(patient, world.region.lund, study_description=script, accession_number='"><b>')
    factory.make_report(study, ("final", f"{script}\n\n<img src=x onerror=alert(1)>"))
    factory.make_order(study, world.region.lund, script)
    factory.make_delivery(study, world.region.lund, "dead", script)
    factory.make_series(study, series_description=script)
    series = study.series.get().series_instance_uid
    for address in (
        f"/patients/{patient.pk}/",
        f"/studies/{study.study_instance_uid}/",
        f"/studies/{study.study_instance_uid}/series/{series}/",
    ):
        page = portal.get(address).content.decode()
        assert "alert(1)" in page
        assert script not in page
        assert "<img src=x" not in page
        assert '"><b>' not in page


def test_opening_the_page_is_logged_once_in_a_window(world, portal):
    for _ in range(3):
        portal.get(f"/patients/{world.patient.pk}/")
    event = AuditEvent.objects.get(action="read")
    assert (event.study_instance_uid, event.patient_id, event.door) == (
        world.study.study_instance_uid,
        world.patient.pk,
        "portal",
    )


def test_queries_do_not_grow_with_the_studies(world, portal, django_assert_max_num_queries):
    for index in range(30):
        study = factory.make_study(world.patient, world.region.ystad, accession_number=f"C{index}")
        factory.make_report(study, ("final", "x"))
    with django_assert_max_num_queries(44):
        portal.get(f"/patients/{world.patient.pk}/")


def test_the_address_of_a_merged_patient_leads_to_the_survivor(world, portal):
    ours = world.patient.identifiers.get(is_national=True)
    other = Patient.objects.create(patient_name="Åkesson^M")
    PatientIdentifier.objects.create(patient=other, value="R1", issuer="1.2.3")
    address = f"/patients/{other.pk}/"
    assert portal.get(address).status_code == 404
    merge(PatientNumber(ours.value, ours.issuer), PatientNumber("R1", "1.2.3"), source="test")
    answer = portal.get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/patients/{world.patient.pk}/")
