"""Delete and reject over HTTP: who may, what everybody sees afterwards, and how it comes back."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from pydicom import dcmread

from access.models import AuditEvent, Department
from registry.models import Change, Home, Instance, RemovedInstance, Series, Study
from registry.remove import UnrecoverableRemoval, restore
from registry.removed import erasable, erase
from tests.registry.factories import make_department, make_region_actor
from tests.repository.conftest import make_vendor, outcome
from tests.repository.test_wado import body_of, parts_of
from tests.support import dicom

pytestmark = pytest.mark.django_db

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
ALL_SCOPES = ("store", "read", "delete")


@pytest.fixture
def keeper(department):
    """A system of the department that keeps the studies, which may delete."""
    return make_vendor(department, "keeper", ALL_SCOPES)


@pytest.fixture
def study(vendor):
    """A study of a CT series of two instances and an MR series of one; its paths and files."""
    facts = dicom.StudyFacts()
    ct = dicom.make_series(facts, 2, series_instance_uid=dicom.make_uid())
    mr = dicom.make_series(facts, 1, series_instance_uid=dicom.make_uid(), modality="MR", series_number=2)
    assert vendor.store(*ct, *mr).status_code == 200
    return Paths(facts.study_instance_uid, ct, mr)


class Paths:
    """Where the instances of a stored study are."""

    def __init__(self, uid, ct, mr):
        self.uid, self.ct, self.mr = uid, ct, mr
        self.study = f"/studies/{uid}"
        self.series = self.instance(ct[0]).rsplit("/instances/", 1)[0]
        self.other_series = self.instance(mr[0]).rsplit("/instances/", 1)[0]

    def instance(self, file: bytes) -> str:
        """Return the path of an instance."""
        dataset = dcmread(io.BytesIO(file), stop_before_pixels=True)
        return f"{self.study}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"


def remove(vendor, path):
    return vendor.client.delete(f"/dicom-web{path}", headers=vendor.headers)


def send_rejection(vendor, path, code="113001%5EDCM"):
    return vendor.client.post(f"/dicom-web{path}/reject/{code}", headers=vendor.headers)


def rows(vendor, path):
    response = vendor.get(path, "application/dicom+json")
    assert response.status_code == 200
    return json.loads(response.content)


def files_of(response):
    return sorted(part.get_payload(decode=True)[128:] for part in parts_of(response))


def test_a_deleted_instance_is_nowhere_and_its_neighbours_stay(keeper, vendor, study):
    gone = study.instance(study.ct[0])
    assert remove(keeper, gone).status_code == 204
    for suffix in ("", "/metadata", "/frames/1", "/rendered", "/bulkdata/7FE00010"):
        assert vendor.get(gone + suffix).status_code == 410, suffix
    [series] = rows(vendor, f"{study.study}/series?Modality=CT")
    assert series["00201209"]["Value"] == [1]
    [row] = rows(vendor, f"/studies?StudyInstanceUID={study.uid}")
    assert row["00201208"]["Value"] == [2]
    assert len(rows(vendor, f"{study.study}/instances")) == 2
    assert len(json.loads(body_of(vendor.get(f"{study.study}/metadata")))) == 2
    assert files_of(vendor.get(study.series, AS_STORED)) == [study.ct[1][128:]]


def test_a_series_with_nothing_left_is_listed_nowhere(keeper, vendor, study):
    assert remove(keeper, study.other_series).status_code == 204
    assert vendor.get(study.other_series).status_code == 410
    assert vendor.get(f"{study.other_series}/metadata").status_code == 410
    assert vendor.get(f"{study.other_series}/instances").status_code == 410
    assert [s["00080060"]["Value"] for s in rows(vendor, f"{study.study}/series")] == [["CT"]]
    assert rows(vendor, "/series?Modality=MR") == []
    assert rows(vendor, "/studies?ModalitiesInStudy=MR") == []
    [row] = rows(vendor, "/studies?ModalitiesInStudy=CT")
    assert (row["00080061"]["Value"], row["00201206"]["Value"], row["00201208"]["Value"]) == (
        ["CT"],
        [1],
        [2],
    )


def test_a_study_with_nothing_left_is_gone_for_those_who_saw_it_and_unknown_to_others(
    keeper, vendor, foreigner, study
):
    region = make_vendor(None, "region")
    assert remove(keeper, study.study).status_code == 204
    for path in (study.study, f"{study.study}/metadata", study.series, f"{study.study}/series"):
        assert vendor.get(path).status_code == 410
        assert region.get(path).status_code == 410
        assert foreigner.get(path).status_code == 404
    for reader in (vendor, region):
        for path in ("/studies", "/series", "/instances", f"/studies?StudyInstanceUID={study.uid}"):
            assert rows(reader, path) == []
    assert not Home.objects.exists()
    again = remove(keeper, study.study)
    assert again.status_code == 410
    assert "removed" in json.loads(again.content)["error"]


def test_who_may_delete(vendor, foreigner, keeper, study, department):
    neighbour = Department.objects.create(unit=department.unit, hsa_id="SE-NEXT", name="Ward")
    colleague = make_vendor(neighbour, "colleague", ALL_SCOPES)
    cousin = make_vendor(make_department(department.unit.provider), "cousin", ALL_SCOPES)
    stranger = make_vendor(make_department(), "stranger", ALL_SCOPES)
    sender = make_vendor(department, "sender", ("store",))
    for path in (study.study, study.series, study.instance(study.ct[0])):
        assert remove(vendor, path).status_code == 403
        assert remove(colleague, path).status_code == 403
        assert remove(sender, path).status_code == 403
        assert remove(cousin, path).status_code == 404
        assert remove(stranger, path).status_code == 404
        assert remove(foreigner, path).status_code == 404
        assert send_rejection(vendor, path).status_code == 403
        assert send_rejection(stranger, path).status_code == 404
    assert Instance.objects.count() == 3
    assert remove(make_vendor(None, "region", ALL_SCOPES), study.study).status_code == 204


def test_unknown_and_foreign_paths(keeper, study):
    other = dicom.StudyFacts()
    keeper.store(dicom.make_ct(other))
    for path in (
        f"/studies/{dicom.make_uid()}",
        f"{study.study}/series/{dicom.make_uid()}",
        f"{study.series}/instances/{dicom.make_uid()}",
        f"/studies/{other.study_instance_uid}/series/{study.series.rsplit('/', 1)[1]}",
        f"{study.other_series}/instances/{study.instance(study.ct[0]).rsplit('/', 1)[1]}",
    ):
        assert remove(keeper, path).status_code == 404, path
    assert Instance.objects.count() == 4


def test_the_request_of_ohif(keeper, vendor, study):
    assert send_rejection(keeper, study.series, "113001%5EDCM").status_code == 204
    assert vendor.get(study.series).status_code == 410
    assert send_rejection(keeper, study.series).status_code == 410
    assert send_rejection(keeper, study.instance(study.mr[0]), "113037^DCM").status_code == 204
    assert vendor.get(study.study).status_code == 410


def test_only_the_four_reasons_reject(keeper, study):
    for code in ("113000%5EDCM", "113001", "113001%5E99X", "nothing"):
        answer = send_rejection(keeper, study.series, code)
        assert answer.status_code == 400
        assert "113001^DCM" in json.loads(answer.content)["error"]
    assert vendor_method(keeper, study.series).status_code == 405


def vendor_method(vendor, path):
    return vendor.get(f"{path}/reject/113001%5EDCM")


def test_what_was_deleted_may_be_stored_anew_with_the_same_or_other_bytes(keeper, vendor, study):
    path = study.instance(study.ct[0])
    remove(keeper, path)
    assert vendor.store(study.ct[0]).status_code == 200
    assert body_of(vendor.get(path, "application/dicom"))[128:] == study.ct[0][128:]
    remove(keeper, path)
    received = dcmread(io.BytesIO(study.ct[0]))
    other = dicom.make_ct(
        dicom.StudyFacts(study_instance_uid=study.uid),
        series_instance_uid=received.SeriesInstanceUID,
        sop_instance_uid=received.SOPInstanceUID,
        seed=77,
    )
    assert vendor.store(other).status_code == 200
    assert body_of(vendor.get(path, "application/dicom"))[128:] == other[128:]
    [row] = rows(vendor, f"/studies?StudyInstanceUID={study.uid}")
    assert row["00201208"]["Value"] == [3]
    for removal in range(2):
        states = RemovedInstance.objects.order_by("pk").values_list("state", flat=True)
        assert states[removal] == RemovedInstance.REPLACED
    with pytest.raises(UnrecoverableRemoval):
        restore(make_region_actor(), RemovedInstance.objects.earliest("pk").removal_id, door="command")


@pytest.mark.parametrize("code", ["113001", "113037", "113038"])
def test_what_was_rejected_as_wrong_does_not_come_back(keeper, vendor, study, code):
    path = study.instance(study.ct[0])
    assert send_rejection(keeper, path, f"{code}%5EDCM").status_code == 204
    answer = vendor.store(study.ct[0])
    assert answer.status_code == 409
    [failed] = outcome(answer)["failed"]
    assert failed["00081197"]["Value"] == [0x0124]
    assert "reject" in failed["00000902"]["Value"][0]
    assert vendor.get(path).status_code == 410
    elsewhere = dicom.make_ct(sop_instance_uid=path.rsplit("/", 1)[1])
    assert vendor.store(elsewhere).status_code == 409


def test_what_outlived_its_retention_may_be_stored_anew(keeper, vendor, study):
    path = study.instance(study.ct[0])
    assert send_rejection(keeper, path, "113039%5EDCM").status_code == 204
    assert vendor.store(study.ct[0]).status_code == 200
    assert vendor.get(path).status_code == 200


def test_restoring_brings_every_byte_back(keeper, vendor, study):
    paths = (study.study, f"{study.study}/metadata", "/instances", "/series", "/studies")
    before = [
        body_of(vendor.get(path, AS_STORED if path == study.study else "application/dicom+json"))
        for path in paths[1:]
    ]
    files = files_of(vendor.get(study.study, AS_STORED))
    remove(keeper, study.instance(study.ct[0]))
    remove(keeper, study.other_series)
    remove(keeper, study.study)
    for removal in RemovedInstance.objects.order_by("-pk").values_list("removal", flat=True).distinct():
        restore(make_region_actor(), removal, door="command")
        with pytest.raises(UnrecoverableRemoval, match="before"):
            restore(make_region_actor(), removal, door="command")
    assert files_of(vendor.get(study.study, AS_STORED)) == files
    after = [body_of(vendor.get(path, "application/dicom+json")) for path in paths[1:]]
    assert after == before
    assert Study.objects.get(study_instance_uid=study.uid).quiet_due_at is not None


def test_what_cannot_be_restored_says_why(keeper, study):
    actor = make_region_actor()
    with pytest.raises(UnrecoverableRemoval, match="no removal"):
        restore(actor, 0, door="command")
    with override_settings(REMOVAL_RETENTION_DAYS=0):
        remove(keeper, study.study)
    removal = RemovedInstance.objects.earliest("pk").removal
    with pytest.raises(UnrecoverableRemoval, match="over"):
        restore(actor, removal.pk, door="command")
    assert Instance.objects.count() == 0


def test_bytes_are_held_until_the_time_is_over_and_the_record_for_good(keeper, vendor, study):
    path = study.instance(study.ct[0])
    send_rejection(keeper, path)
    [item] = RemovedInstance.objects.select_related("removal")
    segment, until = item.segment_id, item.removal.recoverable_until
    before = item.removal.removed_at
    assert not erasable(before).exists()
    assert erase([segment], before) == 0
    assert erase([segment], until) == 1
    assert not erasable(until).exists()
    item.refresh_from_db()
    assert (item.state, item.segment) == (RemovedInstance.ERASED, None)
    assert vendor.get(path).status_code == 410
    assert vendor.store(study.ct[0]).status_code == 409
    with pytest.raises(UnrecoverableRemoval):
        restore(make_region_actor(), item.removal_id, door="command")


def test_removals_are_recorded_and_told(keeper, vendor, study):
    remove(keeper, study.other_series)
    send_rejection(keeper, study.series)
    remove(vendor, study.study)
    removal = RemovedInstance.objects.earliest("pk").removal
    restore(make_region_actor(), removal.pk, door="command")
    events = AuditEvent.objects.filter(action__in=("delete", "reject", "restore")).order_by("pk")
    told = [(e.action, e.outcome, e.actor, e.study_instance_uid, e.detail.get("instances")) for e in events]
    assert told == [
        ("delete", "success", "keeper", study.uid, 1),
        ("reject", "success", "keeper", study.uid, 2),
        ("restore", "success", "tool", study.uid, 1),
    ]
    kinds = ("instances_removed", "instances_restored")
    found = [(c.kind, c.detail["code"]) for c in Change.objects.filter(kind__in=kinds).order_by("pk")]
    assert found == [(kinds[0], ""), (kinds[0], "113001"), (kinds[1], "")]


def test_a_refused_attempt_is_recorded(vendor, study):
    remove(vendor, study.study)
    event = AuditEvent.objects.get(action="delete")
    assert (event.outcome, event.actor, event.study_instance_uid) == ("refused", "pacs-a", study.uid)


def test_a_series_of_no_name_keeps_its_home(keeper, vendor, department):
    facts = dicom.StudyFacts(modality="")
    vendor.store(*dicom.make_series(facts, 2))
    path = f"/studies/{facts.study_instance_uid}"
    [first, _] = rows(vendor, f"{path}/instances")
    series = Series.objects.get()
    uid = first["00080018"]["Value"][0]
    assert remove(keeper, f"{path}/series/{series.series_instance_uid}/instances/{uid}").status_code == 204
    assert [home.modality for home in Home.objects.all()] == [""]
    assert len(rows(vendor, "/instances")) == 1


def test_an_emptied_study_takes_what_is_sent_next_also_of_another_patient(keeper, vendor, foreigner, study):
    remove(keeper, study.study)
    series = study.series.rsplit("/", 1)[1]
    right = dicom.StudyFacts(
        study_instance_uid=study.uid,
        patient_id="199001012385",
        patient_name="Testsson^Test",
        patient_birth_date="19900101",
        study_description="Ny",
    )
    assert foreigner.store(dicom.make_ct(right)).status_code == 409
    assert vendor.get(study.study).status_code == 410
    assert vendor.store(dicom.make_ct(right, series_instance_uid=series)).status_code == 200
    [row] = rows(vendor, "/studies?PatientID=199001012385")
    assert row["00100010"]["Value"] == [{"Alphabetic": "Testsson^Test"}]
    assert row["00081030"]["Value"] == ["Ny"]
    assert (row["00201206"]["Value"], row["00201208"]["Value"]) == ([1], [1])
    assert rows(vendor, f"/studies?PatientID={dicom.PERSONAL_NUMBER}") == []
    with pytest.raises(UnrecoverableRemoval, match="another patient"):
        restore(make_region_actor(), RemovedInstance.objects.earliest("pk").removal_id, door="command")


def test_refused_instances_do_not_make_an_emptied_study_anothers(keeper, vendor, study):
    send_rejection(keeper, study.study, "113038%5EDCM")
    received = dcmread(io.BytesIO(study.ct[0]))
    other = dicom.StudyFacts(study_instance_uid=study.uid, patient_id="199001012385")
    assert vendor.store(dicom.make_ct(other, sop_instance_uid=received.SOPInstanceUID)).status_code == 409
    restore(make_region_actor(), RemovedInstance.objects.earliest("pk").removal_id, door="command")
    assert vendor.get(study.study).status_code == 200


def test_the_words_of_the_caller_are_kept(keeper, study):
    remove(keeper, f"{study.other_series}?reason=fel%20patient%00{'x' * 500}")
    removal = RemovedInstance.objects.earliest("pk").removal
    assert removal.reason == ("fel patient" + "x" * 500)[:400]
    out = io.StringIO()
    call_command("removals", stdout=out)
    assert 'delete by keeper, "fel patient' in out.getvalue()
    with pytest.raises(CommandError, match="no removal"):
        call_command("removals", "restore", "0")
