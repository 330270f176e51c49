"""Writers of what decides about access, side by side: one wins, the others are told or find it done."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from access.database import run_write
from registry.emergency import locate, open_patient
from registry.examinations import relate_from_examination
from registry.flags import set_flag
from registry.models import CareRelation, EmergencyOpening, Notice, PatientFlag, Study
from registry.noted import EndedEntry
from tests.registry.care import epoch_of, make_doctor, make_officer
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 6


def run_side_by_side(work):
    """Run the same thing in several threads at once; returns what each gave, errors of the rules included."""

    def run(_):
        try:
            return work()
        except EndedEntry as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))


def test_stores_of_one_new_patient_make_one_relation_and_raise_the_epoch_once():
    study = make_study(make_department())
    CareRelation.objects.all().delete()

    def store():
        known = Study.objects.select_related("custodian").get(pk=study.pk)
        return run_write(lambda: relate_from_examination(known))

    assert sorted(run_side_by_side(store)) == [False] * (WRITERS - 1) + [True]
    assert CareRelation.objects.count() == 1
    assert epoch_of(study.person) == 1


def test_an_emergency_is_opened_once():
    department = make_department()
    doctor, study = make_doctor(department), make_study(department)
    opening = locate(doctor, study.person, reason_code="other", reason="found unconscious").opening
    done = run_side_by_side(lambda: open_patient(doctor, opening, check_second_factor=lambda: None))
    assert sum(isinstance(one, EmergencyOpening) for one in done) == 1
    assert Notice.objects.count() == 1


def test_a_mark_is_set_once():
    study = make_study(make_department())
    done = run_side_by_side(lambda: set_flag(make_officer(), study.person, "vip"))
    assert sum(isinstance(one, PatientFlag) for one in done) == 1
    assert PatientFlag.objects.count() == 1
