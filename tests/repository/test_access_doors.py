"""Every DICOMweb door for somebody who may not see a study: unknown and hidden are the same, to the byte and the query.

The doors are taken from the URLs of the project: one that is added is tried here too.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access import audit
from access.models import AuditEvent, User
from registry import visibility
from registry.consent.blocks import Holder, register_block
from registry.models import ActiveChoice, Block, CareRelation, Instance, Series, Study
from repository.dicomweb.urls import urlpatterns
from tests.frontend.factory import assign
from tests.registry.factories import make_actor, make_department, make_relation
from tests.repository.conftest import make_vendor
from tests.support import dicom

pytestmark = pytest.mark.django_db
MULTIPART = 'multipart/related; type="application/dicom"; transfer-syntax=*'
CSRF: dict[str, Any] = {"HTTP_ORIGIN": "http://testserver"}
VALUES = {"frames": "1", "path": "7FE00010", "code": "113001^DCM"}
ROUTES = sorted({str(p.pattern) for p in urlpatterns if "<str:study>" in str(p.pattern)})


@dataclass
class Paths:
    """One study with two series, as names in addresses."""

    study: str
    series: str
    instance: str
    other_series: str

    def fill(self, route: str, **other: str) -> str:
        values = {"study": self.study, "series": self.series, "instance": self.instance} | VALUES | other
        return "/dicom-web/" + re.sub(r"<\w+:(\w+)>", lambda found: values[str(found[1])], route)


def store_study(vendor, size: int = 1) -> Paths:
    facts = dicom.StudyFacts()
    first = dicom.make_series(facts, size)
    second = dicom.make_series(dicom.StudyFacts(facts.study_instance_uid, modality="MR"), 1)
    assert vendor.store(*first, *second).status_code == 200
    series = Series.objects.filter(study__study_instance_uid=facts.study_instance_uid)
    ct, mr = series.get(modality="CT"), series.get(modality="MR")
    instance = Instance.objects.filter(series=ct).earliest("instance_number")
    return Paths(
        facts.study_instance_uid, ct.series_instance_uid, instance.sop_instance_uid, mr.series_instance_uid
    )


@pytest.fixture(autouse=True)
def forget_what_was_kept():
    visibility._kept.clear()
    audit._touches.clear()


@pytest.fixture
def paths(vendor) -> Paths:
    return store_study(vendor)


@pytest.fixture
def doctor(department) -> Client:
    """A person of the unit that keeps the study."""
    user = User.objects.create_user("doctor")
    assign(user, department)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def unknown(paths: Paths) -> Paths:
    return Paths(*(dicom.make_uid() for _ in range(4)))


def answer(client: Client, method: str, path: str, **headers: str) -> tuple[int, bytes, dict[str, str], int]:
    """Return status, body, headers and number of queries; a body is the same but for what was asked."""
    visibility._kept.clear()
    with CaptureQueriesContext(connection) as queries:
        response = client.generic(method, path, headers={"Accept": "*/*", **headers}, **CSRF)
        body = response.getvalue()
    kept = {k: v for k, v in response.headers.items() if k not in ("Date", "X-Request-Id")}
    return response.status_code, body, kept, len(queries)


def methods_of(route: str) -> list[str]:
    view: Any = next(p for p in urlpatterns if str(p.pattern) == route).callback
    return sorted(set(view.methods) - {"POST"} if route == "studies/<str:study>" else view.methods)


DOORS = [(route, method) for route in ROUTES for method in methods_of(route)]


@pytest.mark.parametrize(("route", "method"), DOORS)
def test_hidden_is_unknown_at_every_door(route, method, paths, foreigner, doctor):
    """For a system of another provider and for a person without a relation."""
    CareRelation.objects.all().delete()
    for client, headers in ((foreigner.client, foreigner.headers), (doctor, {})):
        answer(client, "GET", "/dicom-web/studies?limit=1", **headers)  # rights are read once a process
        hidden = answer(client, method, paths.fill(route), **headers)
        absent = answer(client, method, unknown(paths).fill(route), **headers)
        assert hidden[0] in (403, 404)
        assert hidden == absent
    assert not AuditEvent.objects.filter(action="read", outcome="success").exists()


@pytest.mark.parametrize(("route", "method"), [d for d in DOORS if d[1] in ("GET", "HEAD")])
def test_the_same_doors_are_open_with_a_relation(route, method, paths, doctor):
    status, *_ = answer(doctor, method, paths.fill(route))
    assert status == 200, route


@pytest.mark.parametrize("route", [route for route in ROUTES if "<str:series>" in route])
def test_an_own_study_is_no_way_into_a_foreign_series(route, paths, vendor, foreigner):
    own = store_study(foreigner)
    foreign = answer(foreigner.client, "GET", paths.fill(route, study=own.study), **foreigner.headers)
    absent = answer(foreigner.client, "GET", unknown(paths).fill(route, study=own.study), **foreigner.headers)
    assert foreign[0] in (404, 405)
    assert foreign == absent
    if "<str:instance>" in route:
        mixed = paths.fill(route, study=own.study, series=own.series)
        assert answer(foreigner.client, "GET", mixed, **foreigner.headers)[0] in (404, 405)


def test_wado_uri_hides_too(paths, foreigner, doctor):
    CareRelation.objects.all().delete()

    def query(of: Paths) -> str:
        uids = {"studyUID": of.study, "seriesUID": of.series, "objectUID": of.instance}
        return "/wado?" + urlencode({"requestType": "WADO", **uids})

    for client, headers in ((foreigner.client, foreigner.headers), (doctor, {})):
        answer(client, "GET", "/dicom-web/studies?limit=1", **headers)
        hidden = answer(client, "GET", query(paths), **headers)
        assert hidden[0] == 404
        assert hidden == answer(client, "GET", query(unknown(paths)), **headers)


@pytest.mark.parametrize(
    "query",
    [
        "studies",
        "studies?includefield=all&fuzzymatching=true&PatientName=Tolv*",
        "studies?PatientID=191212121212",
        "studies?StudyInstanceUID={study}",
        "series?SeriesInstanceUID={series}",
        "instances?SOPInstanceUID={instance}",
        "series?Modality=CT",
        "instances?StudyInstanceUID={study}",
        "studies/count",
        "studies/count?PatientID=19121212*",
        "series/count",
        "instances/count",
    ],
)
def test_no_search_tells_one_hidden_study_from_ten(query, vendor, foreigner, doctor, paths):
    CareRelation.objects.all().delete()
    own = store_study(foreigner)
    path = f"/dicom-web/{query.format(study=paths.study, series=paths.series, instance=paths.instance)}"
    askers: Any = ((foreigner.client, foreigner.headers), (doctor, {}))
    one = [answer(client, "GET", path, **headers)[:3] for client, headers in askers]
    for _ in range(9):
        store_study(vendor)
    CareRelation.objects.filter(unit=vendor.department.unit).delete()
    assert [answer(client, "GET", path, **headers)[:3] for client, headers in askers] == one
    assert paths.study.encode() not in b"".join(body for _, body, _ in one)
    assert own.study


def test_what_one_client_has_is_not_confirmed_to_another(paths, vendor, foreigner):
    """An entity tag that is right opens nothing to somebody who may not see the study."""
    route = paths.fill("studies/<str:study>/series/<str:series>/instances/<str:instance>")
    kept = vendor.client.get(route, headers={**vendor.headers, "Accept": MULTIPART})
    assert kept.headers["Cache-Control"].startswith("private")
    assert {"Authorization", "Cookie"} <= {name.strip() for name in kept.headers["Vary"].split(",")}
    tag = kept.headers["ETag"]
    again = {"If-None-Match": tag, "Accept": MULTIPART}
    assert vendor.client.get(route, headers={**vendor.headers, **again}).status_code == 304
    assert foreigner.client.get(route, headers={**foreigner.headers, **again}).status_code == 404


def frame(client: Client, paths: Paths, number: int = 1):
    route = "studies/<str:study>/series/<str:series>/instances/<str:instance>/frames/<str:frames>"
    return client.get(paths.fill(route, frames=str(number)), headers={"Accept": "*/*"})


def test_a_block_closes_the_next_frame_and_the_log_says_why(department, vendor):
    """A person of another unit of the provider reads by choice; the patient blocks the unit that keeps the study."""
    paths = store_study(vendor, 500)
    reading = make_department(department.unit.provider)
    user = User.objects.create_user("reader")
    assignment = assign(user, reading)
    study = Study.objects.get()
    make_relation(study.person, reading.unit)
    now = timezone.now()
    ActiveChoice.objects.create(
        patient=study.person,
        assignment=assignment,
        unit=department.unit,
        valid_from=now,
        valid_to=now + timedelta(hours=1),
    )
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert frame(client, paths).status_code == 200
    assert frame(client, paths).status_code == 200
    download: Any = client.get(f"/dicom-web/studies/{paths.study}", headers={"Accept": MULTIPART})
    pieces = iter(download.streaming_content)
    got = next(pieces)
    officer = make_officer(department)
    register_block(officer, study.person, Holder(unit_id=department.unit_id), door="test")
    assert frame(client, paths).status_code == 404
    with pytest.raises(visibility.UnknownStudy):
        got += b"".join(pieces)
    assert (paths.series.encode() in got) != (paths.other_series.encode() in got)
    refused = AuditEvent.objects.filter(action="read", outcome="refused").order_by("pk")
    assert {(event.rule, event.detail["reason"]) for event in refused} == {("5", "blocked")}
    assert {event.patient_id for event in refused} == {study.person_id}
    read = AuditEvent.objects.filter(action="read", outcome="success", actor="reader")
    assert [(event.rule, len(event.detail["basis"])) for event in read] == [("8", 2)]
    assert Block.objects.count() == 1


def make_officer(department):
    return replace(make_actor(department), permissions=frozenset({"read", "register_block"}))


def test_what_a_system_reads_is_what_its_unit_keeps_or_was_sent(department, vendor, paths):
    cousin = make_vendor(make_department(department.unit.provider), "cousin")
    path = paths.fill("studies/<str:study>/metadata")
    assert vendor.client.get(path, headers=vendor.headers).status_code == 200
    assert cousin.client.get(path, headers=cousin.headers).status_code == 404
    assert cousin.get("/studies").status_code in (200, 204)
    assert cousin.get("/studies").content in (b"", b"[]")
