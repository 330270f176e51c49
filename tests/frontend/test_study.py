"""The study page, its live part and the stepper."""

import re

import pytest
from django.test import Client

from access.models import AuditEvent
from registry.models import DepartmentMilestone
from repository.models import Delivery
from tests.frontend import factory


def test_series_have_thumbnails_and_documents_have_none(world, portal):
    page = portal.get(world.pages["study"]).content.decode()
    thumbnails = re.findall(r'<img class="thumb" src="([^"]+)"', page)
    uids = list(world.series.instances.order_by("instance_number").values_list("sop_instance_uid", flat=True))
    path = f"/dicom-web/studies/{world.study.study_instance_uid}/series/{world.series.series_instance_uid}"
    assert thumbnails == [f"{path}/instances/{uids[1]}/rendered?viewport=128,128"]
    assert "Series 1 · CT · 5 images" in page
    assert "Series 9 · SR · no images" in page


@pytest.mark.parametrize("suffix", ["", "distribution/", "series/1.2.3/"])
def test_study_of_another_care_provider_is_the_same_404_as_an_unknown(world, portal, suffix):
    hidden = factory.make_study(factory.make_patient("Ek^Olle", "L1", national=False), world.region.private)
    for uid in (hidden.study_instance_uid, "1.2.3.4"):
        assert portal.get(f"/studies/{uid}/{suffix}").status_code == 404


def test_series_of_another_study_is_a_404(world, portal):
    other = world.older.series.get().series_instance_uid
    assert portal.get(f"{world.pages['study']}series/{other}/").status_code == 404


def test_opening_is_logged_and_the_department_s_first_opening_kept(world, portal):
    portal.get(world.pages["study"])
    first = DepartmentMilestone.objects.get(study=world.study, department=world.region.lund).first_opened_at
    portal.get(world.pages["stepper"])
    assert DepartmentMilestone.objects.get(study=world.study).first_opened_at == first
    assert (
        AuditEvent.objects.filter(action="read", study_instance_uid=world.study.study_instance_uid).count()
        == 1
    )


def test_distribution_answers_only_when_something_changed(world, portal):
    page = portal.get(f"{world.pages['study']}distribution/").content.decode()
    seen = re.search(r"seen=(\w+)", page)
    assert seen is not None
    same = portal.get(f"{world.pages['study']}distribution/?seen={seen[1]}")
    assert (same.status_code, same.content) == (204, b"")
    Delivery.objects.update(state="dead", reason="The receiver refused the study: unknown patient.")
    changed = portal.get(f"{world.pages['study']}distribution/?seen={seen[1]}")
    assert "The receiver refused the study: unknown patient." in changed.content.decode()


def test_live_part_sends_a_logged_out_browser_to_the_login(world):
    response = Client().get(f"{world.pages['study']}distribution/", headers={"hx-request": "true"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/accounts/login/")


def test_stepper_steps_by_links_through_instances_and_frames(world, portal):
    address = world.pages["stepper"]
    page = portal.get(address).content.decode()
    seen = [read_picture(page)]
    while target := re.search(r'data-step="next" href="([^"]+)"', page):
        page = portal.get(address + target[1].replace("&amp;", "&")).content.decode()
        seen.append(read_picture(page))
    uids = list(world.series.instances.order_by("instance_number").values_list("sop_instance_uid", flat=True))
    path = f"/dicom-web/studies/{world.study.study_instance_uid}/series/{world.series.series_instance_uid}/instances"
    assert [source for source, _alt in seen] == [
        f"{path}/{uids[0]}/rendered?viewport=64,64",
        f"{path}/{uids[1]}/rendered?viewport=64,64",
        *(f"{path}/{uids[2]}/frames/{frame}/rendered?viewport=64,64" for frame in (1, 2, 3)),
    ]
    assert seen[3][1] == "DT thorax uppföljning, image 4 of 5"


def test_window_presets_are_links_that_keep_the_place(world, portal):
    page = portal.get(world.pages["stepper"] + "?instance=2&window=lung").content.decode()
    assert read_picture(page)[0].endswith("/rendered?viewport=64,64&window=-600,1500,linear")
    assert 'href="?instance=2&amp;window=bone"' in page
    assert re.search(r'class="chip chosen"[^>]*>Lung<', page)


@pytest.mark.parametrize(
    "query", ["?instance=0", "?instance=-1", "?instance=x&frame=y", "?instance=1&window=none"]
)
def test_odd_addresses_show_the_first_picture(world, portal, query):
    page = portal.get(world.pages["stepper"] + query).content.decode()
    assert read_picture(page)[1].endswith("image 1 of 5")


def test_place_beyond_the_end_shows_the_last_picture(world, portal):
    page = portal.get(world.pages["stepper"] + "?instance=99999999&frame=99999999").content.decode()
    assert read_picture(page)[1].endswith("image 5 of 5")


def test_document_series_shows_no_broken_picture(world, portal):
    page = portal.get(world.pages["document"]).content.decode()
    assert "data-main" not in page
    assert "Structured report (SR)" in page


def test_queries_do_not_grow_with_the_instances(world, portal, django_assert_max_num_queries):
    factory.make_series(world.study, (None,) * 40, series_number=2)
    portal.get("/")  # what is kept of the person's rights is known
    with django_assert_max_num_queries(45):
        portal.get(world.pages["stepper"])


def read_picture(page: str) -> tuple[str, str]:
    found = re.search(r'<img src="([^"]+)" alt="([^"]+)" data-main', page)
    assert found is not None
    return found[1].replace("&amp;", "&"), found[2]
