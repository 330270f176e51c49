"""Merges of patients: everything moves, both decide afterwards, and an undo gives back exactly."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import settings
from hypothesis.extra.django import TestCase as DjangoCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import integers, sampled_from

from access.models import AuditEvent
from registry.document_patients import find_patients, read_number
from registry.documents import register
from registry.identity import (
    Demographics,
    PatientNumber,
    feed_patient,
    find_or_create_patient,
    find_patient,
    write_cx,
)
from registry.merge_moves import patient_columns
from registry.merges import (
    ImpossibleMerge,
    MergeStands,
    current_patient_id,
    link,
    merge,
    move_number,
    undo,
)
from registry.models import (
    Association,
    Block,
    CareRelation,
    Change,
    DocumentEntry,
    MovedRow,
    Patient,
    PatientFlag,
    PatientIdentifier,
    PatientMerge,
    Study,
    SubmissionSet,
)
from registry.models.document import DEPRECATED
from registry.submission import Origin, SubmissionRefused
from registry.visibility import UnknownStudy, permitted_study
from tests.registry.care import epoch_of, make_doctor, make_officer
from tests.registry.factories import make_department, make_study
from tests.support.submissions import RPLC, make_entry, make_submission
from tests.support.submissions import link as relate

OID = "1.2.752.97.1.2.3"
A, B, C = (PatientNumber(name, OID) for name in "ABC")


def make_person(number: PatientNumber) -> Patient:
    return find_or_create_patient(number, Demographics(f"Person^{number.value}"))


def make_study_of(number: PatientNumber, department) -> Study:
    study = make_study(
        department,
        patient_id=number.value,
        patient_id_normal=number.value,
        issuer_of_patient_id=number.issuer,
    )
    study.person = make_person(number)
    study.save()
    return study


def make_block(patient: Patient, department, **values) -> Block:
    moment = timezone.now()
    return Block.objects.create(
        patient=patient,
        provider=department.unit.provider,
        valid_from=moment,
        registered_by="test",
        registered_at=moment,
        **values,
    )


@pytest.mark.django_db
def test_everything_that_points_to_the_subsumed_patient_moves():
    """No table is forgotten: each has a column that a merge walks over, hidden relations included."""
    labels = {model._meta.label for model, _column in patient_columns()}
    assert {"registry.Study", "registry.Removal", "registry.Notice", "registry.LogReviewItem"} <= labels
    assert {"registry.FhirSubscription", "registry.Block", "registry.DocumentEntry"} <= labels
    department = make_department()
    study = make_study_of(A, department)
    block = make_block(study.person, department)
    loser = study.person
    row = merge(B, A, source="test")
    for model, column in patient_columns():
        assert not model._default_manager.filter(**{column: loser}).exists(), model
    study.refresh_from_db()
    block.refresh_from_db()
    assert study.person == block.patient == find_patient(B) == find_patient(A)
    assert (study.patient_id, study.issuer_of_patient_id) == ("A", OID)
    assert current_patient_id(loser.pk) == row.survivor_id
    assert PatientIdentifier.objects.get(value="A").subsumed_at is not None
    assert Change.objects.filter(kind="patient_merged", study_instance_uid=study.study_instance_uid).exists()
    assert AuditEvent.objects.filter(action="patient_merge", patient_id=loser.pk).exists()


@pytest.mark.django_db
def test_a_merge_raises_the_epochs_of_both_and_told_twice_is_one():
    first, second = make_person(A), make_person(B)
    row = merge(B, A, source="test")
    assert epoch_of(first) > 0
    assert epoch_of(second) > 0
    assert merge(B, A, source="test") == row
    assert PatientMerge.objects.count() == 1
    with pytest.raises(ImpossibleMerge):
        merge(A, A, source="test")


@pytest.mark.django_db
def test_chains_lead_to_the_last_and_are_undone_from_the_newest():
    department = make_department()
    study = make_study_of(A, department)
    first = merge(B, A, source="test")
    second = merge(C, B, source="test")
    study.refresh_from_db()
    assert study.person == find_patient(A) == find_patient(B) == find_patient(C)
    with pytest.raises(MergeStands, match=f"later {second.pk}"):
        undo(first.pk, by=make_officer(), reason="wrong")
    undo(second.pk, by=make_officer(), reason="wrong")
    undo(first.pk, by=make_officer(), reason="wrong")
    study.refresh_from_db()
    assert study.person == find_patient(A)
    assert len({find_patient(number) for number in (A, B, C)}) == 3
    with pytest.raises(MergeStands, match="already"):
        undo(first.pk, by=make_officer(), reason="again")


@pytest.mark.django_db
def test_an_undo_gives_back_what_came_since_under_the_subsumed_number():
    department = make_department()
    old = make_study_of(B, department)
    row = merge(B, A, source="test")
    late = make_study_of(A, department)
    assert late.person == find_patient(B)
    undo(row.pk, by=make_officer(), reason="wrong")
    late.refresh_from_db()
    old.refresh_from_db()
    assert (late.person, old.person) == (find_patient(A), find_patient(B))
    assert find_patient(A) != find_patient(B)
    assert PatientIdentifier.objects.get(value="A").subsumed_at is None


@pytest.mark.django_db
def test_a_block_of_either_closes_the_studies_of_both_and_survives_an_undo():
    department = make_department()
    colleague = make_department(department.unit.provider)
    studies = [make_study_of(number, department) for number in (A, B)]
    reader = make_doctor(colleague)
    moment = timezone.now()
    for study in studies:
        CareRelation.objects.create(
            patient=study.person,
            unit=colleague.unit,
            source="order",
            valid_from=moment - timedelta(days=1),
            valid_to=moment + timedelta(days=1),
        )
    reader = replace(reader, permissions=frozenset({"read"}))
    Block.objects.create(
        patient=studies[0].person,
        unit=department.unit,
        valid_from=moment,
        registered_by="test",
        registered_at=moment - timedelta(seconds=1),
    )
    row = merge(B, A, source="test")
    for study in studies:
        with pytest.raises(UnknownStudy):
            permitted_study(reader, study.study_instance_uid)
    late = make_block(find_patient(B), department)
    undo(row.pk, by=make_officer(), reason="wrong")
    assert Block.objects.filter(patient=find_patient(A)).count() == 2
    assert list(Block.objects.filter(patient=find_patient(B))) == [late]


@pytest.mark.django_db
def test_rows_that_exist_once_a_patient_do_not_clash():
    department = make_department()
    moment = timezone.now()
    for number in (A, B):
        patient = make_person(number)
        PatientFlag.objects.create(patient=patient, kind="protected_1", registered_at=moment)
        CareRelation.objects.create(
            patient=patient,
            unit=department.unit,
            source="examination",
            valid_from=moment,
            valid_to=moment + timedelta(days=1),
        )
    row = merge(B, A, source="test")
    survivor = find_patient(B)
    assert CareRelation.objects.filter(patient=survivor, unit=department.unit).count() == 2
    assert PatientFlag.objects.filter(patient=survivor, ended_at=None).count() == 1
    undo(row.pk, by=make_officer(), reason="wrong")
    for number in (A, B):
        patient = find_patient(number)
        assert PatientFlag.objects.filter(patient=patient, ended_at=None).count() == 1
        assert CareRelation.objects.filter(patient=patient, source="examination").count() == 1


@pytest.mark.django_db
def test_linked_numbers_stay_good_until_they_are_merged():
    make_person(A)
    row = link(B, A, source="test")
    assert find_patient(A) == find_patient(B)
    assert PatientIdentifier.objects.get(value="A").subsumed_at is None
    assert merge(B, A, source="test") == row
    assert PatientIdentifier.objects.get(value="A").subsumed_at is not None


@pytest.mark.django_db
def test_a_moved_number_takes_its_studies_and_what_closes_them():
    department = make_department()
    study = make_study_of(A, department)
    feed_patient(A, Demographics(), [B])
    other = make_study_of(B, department)
    make_block(study.person, department)
    move_number(B, C, source="test")
    study.refresh_from_db()
    other.refresh_from_db()
    assert (study.person, other.person) == (find_patient(A), find_patient(C))
    assert Block.objects.filter(patient=other.person).count() == 1


class Merging(RuleBasedStateMachine):
    """Feeds, stores, registers, replaces, merges and undoes in any order; what holds after each step is below.

    Standard: IHE ITI TF-2 3.42.4.1.3 (register), 3.18.4.1.2.3.9.1 (merges)
    """

    numbers = tuple(PatientNumber(str(number), OID) for number in range(5))

    def __init__(self) -> None:
        super().__init__()
        self.department = make_department()
        self.officer = make_officer()
        self.undoable: list[int] = []
        self.sources: dict[str, str] = {}

    @rule(number=sampled_from(numbers))
    def feed(self, number):
        feed_patient(number, Demographics(f"Fed^{number.value}"))

    @rule(number=sampled_from(numbers))
    def store(self, number):
        study = make_study_of(number, self.department)
        assert study.person == find_patient(number)

    @rule(one=sampled_from(numbers), other=sampled_from(numbers), kind=sampled_from(["merge", "link"]))
    def join(self, one, other, kind):
        known = {row.pk for row in PatientMerge.objects.all()}
        try:
            row = merge(one, other, source="machine", kind=kind)
        except ImpossibleMerge:
            return
        assert find_patient(one) == find_patient(other)
        if row.pk not in known:
            self.undoable.append(row.pk)

    @rule()
    def part(self):
        if not self.undoable:
            return
        key = self.undoable.pop()
        row = PatientMerge.objects.get(pk=key)
        moved = set(MovedRow.objects.filter(merge=row, table="registry.Study").values_list("row", flat=True))
        undo(key, by=self.officer, reason="machine")
        assert moved <= set(Study.objects.filter(person=row.subsumed_id).values_list("pk", flat=True))

    def submit(self, number, replaced=None, target=None):
        entry = make_entry(patient_id=write_cx(number.value, number.issuer))
        target = target or (replaced.entry_uuid if replaced else None)
        links = (relate(RPLC, entry.entry_uuid, target),) if target else ()
        submission = make_submission(entry, links=links, patient_id=entry.patient_id)
        register(submission, Origin(self.department.pk, "machine"))
        self.sources[entry.unique_id] = entry.source_patient_id

    @rule(number=sampled_from(numbers))
    def register(self, number):
        identifier = PatientIdentifier.objects.filter(value=number.value, issuer=number.issuer).first()
        if identifier is not None and identifier.subsumed_at is None:
            self.submit(number)
            return
        self.refuse("XDSUnknownPatientId", number)

    @rule(number=sampled_from(numbers), wanted=integers(0, 20))
    def replace(self, number, wanted):
        """Replace any document there is: one that may be is, another's or a deprecated one is not."""
        every = list(DocumentEntry.objects.order_by("pk"))
        known = PatientIdentifier.objects.filter(
            value=number.value, issuer=number.issuer, subsumed_at=None
        ).first()
        if not every or known is None:
            return
        target = every[wanted % len(every)]
        if target.patient_id != known.patient_id:
            self.refuse("XDSPatientIdDoesNotMatch", number, target.entry_uuid)
        elif target.status == DEPRECATED:
            self.refuse("XDSRegistryDeprecatedDocumentError", number, target.entry_uuid)
        else:
            self.submit(number, target)
            target.refresh_from_db()
            assert target.status == DEPRECATED

    @rule(number=sampled_from(numbers))
    def reject(self, number):
        """What replaces a document that nobody knows is refused, whoever it is of."""
        self.refuse(None, number, "urn:uuid:7a1b0b4e-0000-4000-8000-000000000000")

    def refuse(self, code, number, target=None):
        """Submit what must be refused, and see that nothing of it was kept."""
        before = counts_of_documents()
        with pytest.raises(SubmissionRefused) as refused:
            self.submit(number, target=target)
        assert code is None or code in {error.code for error in refused.value.errors}
        assert counts_of_documents() == before

    @invariant()
    def every_document_is_with_the_owner_of_its_number(self):
        for model in (DocumentEntry, SubmissionSet):
            for row in model.objects.all():
                assert row.patient == find_patient(read_number(row.patient_id_as_sent))

    @invariant()
    def what_was_replaced_is_deprecated_and_the_rest_is_not(self):
        replaced = set(Association.objects.filter(kind=RPLC).values_list("target_uuid", flat=True))
        for entry in DocumentEntry.objects.all():
            assert (entry.status == DEPRECATED) == (entry.entry_uuid in replaced)
        assert Association.objects.filter(kind=RPLC).count() == len(replaced)

    @invariant()
    def what_sources_sent_never_changes(self):
        assert dict(DocumentEntry.objects.values_list("unique_id", "source_patient_id")) == self.sources

    @invariant()
    def a_number_asked_for_finds_all_of_the_person_or_nothing(self):
        for identifier in PatientIdentifier.objects.select_related("patient"):
            cx = write_cx(identifier.value, identifier.issuer)
            found = find_patients([cx])
            assert found == ({} if identifier.subsumed_at else {cx: identifier.patient_id})

    @invariant()
    def every_study_is_with_the_owner_of_its_number(self):
        for study in Study.objects.all():
            assert study.person == find_patient(PatientNumber(study.patient_id, OID))

    @invariant()
    def nothing_is_left_with_a_subsumed_patient(self):
        subsumed = Patient.objects.filter(merged_into__isnull=False)
        assert not Study.objects.filter(person__in=subsumed).exists()
        assert not PatientIdentifier.objects.filter(patient__in=subsumed).exists()
        assert not DocumentEntry.objects.filter(patient__in=subsumed).exists()


def counts_of_documents():
    return [model.objects.count() for model in (DocumentEntry, SubmissionSet, Association)]


class TestMachine(DjangoCase):
    def test_whatever_happens_every_study_is_with_the_owner_of_its_number(self):
        """Each example runs in a savepoint that is rolled back."""
        from django.db import transaction

        class Undone(Merging):
            def __init__(self):
                self.mark = transaction.savepoint()
                super().__init__()

            def teardown(self):
                transaction.savepoint_rollback(self.mark)

        run_state_machine_as_test(
            Undone, settings=settings(max_examples=12, stateful_step_count=16, deadline=None)
        )
