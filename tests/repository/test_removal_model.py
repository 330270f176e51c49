"""Whatever is stored, deleted, rejected and restored in whatever order: every door agrees with a simple model."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.models import Home, RemovedInstance, Study
from registry.remove import UnrecoverableRemoval, restore
from tests.registry.factories import make_region_actor
from tests.repository.conftest import Vendor, make_vendor
from tests.repository.test_wado import body_of, parts_of
from tests.support import dicom

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
DICOM_JSON = "application/dicom+json"
FACTS = dicom.StudyFacts(study_instance_uid="2.25.1")
SERIES = ("2.25.11", "2.25.11", "2.25.12")
MODALITIES = ("CT", "CT", "MR")
FILES = [
    [
        dicom.make_ct(
            FACTS,
            series_instance_uid=series,
            sop_instance_uid=f"2.25.10{number}",
            modality=modality,
            seed=version,
        )
        for version in range(2)
    ]
    for number, (series, modality) in enumerate(zip(SERIES, MODALITIES, strict=True))
]
STUDY_PATH = "/studies/2.25.1"
TARGETS = [
    (STUDY_PATH, {0, 1, 2}),
    (f"{STUDY_PATH}/series/2.25.11", {0, 1}),
    (f"{STUDY_PATH}/series/2.25.12", {2}),
    *((f"{STUDY_PATH}/series/{SERIES[n]}/instances/2.25.10{n}", {n}) for n in range(3)),
]
CODES = ("113001", "113037", "113038", "113039")

STORES = st.tuples(st.just("store"), st.integers(0, 2), st.integers(0, 1))
DELETES = st.tuples(st.just("delete"), st.sampled_from(TARGETS), st.none())
REJECTIONS = st.tuples(st.just("reject"), st.sampled_from(TARGETS), st.sampled_from(CODES))
RESTORATIONS = st.tuples(st.just("restore"), st.integers(0, 5), st.none())
STEPS = st.lists(STORES | STORES | DELETES | REJECTIONS | RESTORATIONS, min_size=3, max_size=9)


@dataclass
class World:
    """What should be there: the version of each live instance, and what each removal hides."""

    keeper: Vendor
    live: dict[int, int] = field(default_factory=dict)
    removals: list[dict[int, int]] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)

    def store(self, number: int, version: int) -> None:
        """Store one version of an instance."""
        status = self.keeper.store(FILES[number][version]).status_code
        if number in self.live:
            assert status == (200 if self.live[number] == version else 409)
        elif number in self.refused:
            assert status == 409
        else:
            assert status == 200
            self.live[number] = version
            self.known.add(number)
            for hidden in self.removals:
                hidden.pop(number, None)

    def delete(self, target, _) -> None:
        """Delete a study, series or instance."""
        path, numbers = target
        answer = self.keeper.client.delete(f"/dicom-web{path}", headers=self.keeper.headers)
        self._hide(answer.status_code, path, numbers)

    def reject(self, target, code: str) -> None:
        """Reject a study, series or instance."""
        path, numbers = target
        hidden = numbers & self.live.keys()
        answer = self.keeper.client.post(f"/dicom-web{path}/reject/{code}^DCM", headers=self.keeper.headers)
        self._hide(answer.status_code, path, numbers)
        if code != "113039":
            self.refused |= hidden

    def restore(self, index: int, _) -> None:
        """Restore one of the removals so far."""
        if index >= len(self.ids):
            return
        if not self.removals[index]:
            with pytest.raises(UnrecoverableRemoval):
                restore(make_region_actor(), self.ids[index], door="test")
            return
        restore(make_region_actor(), self.ids[index], door="test")
        self.live |= self.removals[index]
        self.refused -= self.removals[index].keys()
        self.removals[index] = {}

    def _hide(self, status: int, path: str, numbers: set[int]) -> None:
        hidden = {number: self.live.pop(number) for number in numbers & self.live.keys()}
        if not hidden:
            assert status == self.absent(path, numbers)
            return
        assert status == 204
        self.removals.append(hidden)
        self.ids.append(RemovedInstance.objects.latest("pk").removal_id)

    def absent(self, path: str, numbers: set[int]) -> int:
        """Return the status for what is not there."""
        if not self.known:
            return 404
        return 410 if not self.live or numbers & self.known else 404

    def check(self) -> None:
        """Hold every door against the model."""
        for path, numbers in TARGETS:
            there = numbers & self.live.keys()
            expected = 200 if there else self.absent(path, numbers)
            answer = self.keeper.get(path, AS_STORED)
            assert answer.status_code == expected, path
            if there:
                files = {part.get_payload(decode=True)[128:] for part in parts_of(answer)}
                assert files == {FILES[number][self.live[number]][128:] for number in there}
            answer = self.keeper.get(f"{path}/metadata", DICOM_JSON)
            assert answer.status_code == expected
            if there:
                assert uids(json.loads(body_of(answer))) == expected_uids(there)
        self._check_search()

    def _check_search(self) -> None:
        studies = self._search("/studies")
        assert len(studies) == bool(self.live)
        modalities = {MODALITIES[number] for number in self.live}
        if studies:
            [row] = studies
            assert row["00080061"]["Value"] == sorted(modalities)
            assert row["00201206"]["Value"] == [len(modalities)]
            assert row["00201208"]["Value"] == [len(self.live)]
        counts = {s["00080060"]["Value"][0]: s["00201209"]["Value"][0] for s in self._search("/series")}
        assert counts == {m: sum(MODALITIES[n] == m for n in self.live) for m in modalities}
        assert uids(self._search("/instances")) == expected_uids(self.live)
        for modality in ("CT", "MR"):
            found = self._search(f"/studies?ModalitiesInStudy={modality}")
            assert len(found) == (modality in modalities)
        assert set(Home.objects.values_list("modality", flat=True)) == modalities

    def _search(self, path: str) -> Any:
        return json.loads(self.keeper.get(path, DICOM_JSON).content)


def uids(data_sets) -> set[str]:
    return {data_set["00080018"]["Value"][0] for data_set in data_sets}


def expected_uids(numbers) -> set[str]:
    return {f"2.25.10{number}" for number in numbers}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_every_door_agrees_with_the_model(department, steps):
    with transaction.atomic():
        world = World(make_vendor(department, "keeper", ("store", "read", "delete")))
        for step, first, second in steps:
            getattr(world, step)(first, second)
            world.check()
        transaction.set_rollback(True)
    assert not Study.objects.exists()
