"""Series that an older version stored get the coded region that their images have had all along."""

import pytest
from pydicom.dataset import Dataset

from registry.harmonise.duty import harmonise_studies
from registry.models import Change, ChangeCursor, Harmonised, Series, Study
from registry.remove import Target, delete
from repository import coded_regions
from repository.coded_regions import fill_batch, fill_regions
from tests.repository.test_rebuild import ADMIN
from tests.support import dicom

pytestmark = pytest.mark.django_db(transaction=True)


def make_region(code, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", meaning
    return [item]


def store(vendor, code="", meaning="", count=1):
    facts = dicom.StudyFacts(study_description="Protokoll 7")
    series = dicom.make_uid()
    change = Dataset()
    change.BodyPartExamined = ""
    if code:
        change.AnatomicRegionSequence = make_region(code, meaning)
    for number in range(count):
        dataset = dicom.make_ct(facts, series_instance_uid=series, instance_number=number + 1, change=change)
        assert vendor.store(dataset).status_code == 200
    return facts.study_instance_uid


@pytest.fixture
def old(vendor):
    """An archive as the migration left it: the column is there and empty."""
    knee = store(vendor, "72696002", "Knee", count=2)
    plain = store(vendor)
    head = store(vendor, "69536005", "Head")
    Series.objects.update(anatomic_region_sequence=[])
    Study.objects.update(quiet_due_at=None)
    harmonise_studies()
    Change.objects.all().delete()
    return knee, plain, head


def code_of(uid):
    [row] = Series.objects.filter(study__study_instance_uid=uid)
    return [item["00080100"]["Value"][0] for item in row.anatomic_region_sequence]


def test_the_region_is_read_from_the_metadata_and_the_study_decided_anew(old):
    knee, plain, head = old
    regions = dict(Harmonised.objects.values_list("study__study_instance_uid", "body_regions"))
    assert regions[knee] == regions[head] == []
    while fill_regions():
        pass
    assert (code_of(knee), code_of(plain), code_of(head)) == (["72696002"], [], ["69536005"])
    regions = dict(Harmonised.objects.values_list("study__study_instance_uid", "body_regions"))
    assert (regions[knee], regions[plain], regions[head]) == (["61685007"], [], ["774007"])
    told = set(Change.objects.filter(kind="harmonised").values_list("study_instance_uid", flat=True))
    assert told == {knee, head}


def test_it_ends_and_never_looks_at_what_came_after_it_began(old, vendor, monkeypatch):
    assert fill_batch(limit=2) == 2
    later = store(vendor)
    assert fill_batch(limit=2) == 1
    monkeypatch.setattr(coded_regions, "_read_regions", None)
    assert fill_batch() == 0
    assert fill_regions() == 0
    assert code_of(later) == []


def test_two_that_run_at_the_same_time_write_once(old, monkeypatch):
    read = coded_regions._read_regions

    def meanwhile(key):
        monkeypatch.setattr(coded_regions, "_read_regions", read)
        fill_batch()
        return read(key)

    monkeypatch.setattr(coded_regions, "_read_regions", meanwhile)
    fill_batch()
    told = list(Change.objects.filter(kind="harmonised").values_list("study_instance_uid", flat=True))
    assert len(set(told)) == 2
    assert ChangeCursor.objects.get(reader="coded-regions").position == Series.objects.latest("pk").pk


def test_a_series_that_is_hidden_has_its_region_when_it_comes_back(old):
    knee, *_ = old
    delete(ADMIN, Target(knee), door="test")
    while fill_regions():
        pass
    assert code_of(knee) == ["72696002"]
