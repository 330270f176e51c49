"""Which system brought a series: kept at the store by either door, and found by filters."""

import pytest

from access.application_entities import authenticate_entity
from access.models import ApplicationEntity
from registry.models import Series, Study
from registry.remove import Target, reject
from registry.removed import REJECTIONS
from registry.wishes.compile import compile_filter
from registry.wishes.facts import read_facts
from registry.wishes.filter import Owner, read_filter
from registry.wishes.matching import matches
from repository.compaction.compact import compact_study
from repository.dimse.store_scp import FilePart
from repository.rebuild.rebuild import rebuild
from repository.store import store
from tests.repository.conftest import make_vendor
from tests.repository.test_rebuild import ADMIN, lose_database, rows_of
from tests.support import dicom

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(vendor, department, tmp_path):
    """Store files as DIMSE does, under a title of the client `pacs-a`."""

    def act(title: str, files: list[bytes]) -> None:
        client = department.clients.get(name="pacs-a")
        ApplicationEntity.objects.get_or_create(title=title, client=client, scopes="store")
        paths = [tmp_path / f"{title}-{number}" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        results = store([FilePart(p) for p in paths], authenticate_entity(title, "127.0.0.1"), door="dimse")
        assert [result.failure_reason for result in results] == [None] * len(files)

    return act


def told() -> list[tuple[str, str]]:
    return list(Series.objects.order_by("pk").values_list("stored_by", "stored_by_ae_title"))


def is_found(study: Study, *values: str) -> bool:
    wanted, owner = read_filter({"source_system": list(values)}), Owner(0, 0)
    in_sql = Study.objects.filter(compile_filter(wanted, owner), pk=study.pk).exists()
    assert matches(wanted, read_facts(study), owner) is in_sql
    return in_sql


def test_the_title_of_a_dicom_system_and_the_name_of_a_client_are_kept(vendor, send) -> None:
    send("CT_AE", dicom.make_series(dicom.StudyFacts(), 2))
    assert vendor.store(*dicom.make_series(dicom.StudyFacts(), 1)).status_code == 200
    assert told() == [("pacs-a", "CT_AE"), ("pacs-a", "")]
    by_dimse, by_stow = Study.objects.order_by("pk")
    assert is_found(by_dimse, "CT_AE")
    assert is_found(by_dimse, "pacs-a")
    assert is_found(by_stow, "nobody", "pacs-a")
    assert not is_found(by_stow, "CT_AE")
    assert not is_found(by_dimse, "ct_ae")


def test_who_brought_the_first_instance_of_a_series_stays(vendor, department, send) -> None:
    study = dicom.StudyFacts()
    first, *rest = dicom.make_series(study, 3)
    send("CT_AE", [first])
    assert make_vendor(department, "other").store(*rest).status_code == 200
    assert told() == [("pacs-a", "CT_AE")]


def test_a_series_that_begins_again_is_of_who_brings_it_now(vendor, department, send) -> None:
    study = dicom.StudyFacts()
    first, second = dicom.make_series(study, 2)
    send("CT_AE", [first])
    reject(ADMIN, Target(study.study_instance_uid), REJECTIONS[1], door="test")
    assert not is_found(Study.objects.get(), "CT_AE")
    assert make_vendor(department, "other").store(second).status_code == 200
    assert told() == [("other", "")]


def test_a_rebuild_knows_it_from_the_packs_also_after_compaction(vendor, send) -> None:
    files = dicom.make_series(dicom.StudyFacts(), 3)
    for file in files:
        send("MR_AE", [file])
    compact_study(Study.objects.get().pk)
    before = rows_of(Series, "fragment")
    lose_database()
    assert rebuild().faults == []
    assert rows_of(Series, "fragment") == before
    assert told() == [("pacs-a", "MR_AE")]
