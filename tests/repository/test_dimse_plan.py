"""What a C-MOVE or C-GET will send is all that was asked for, or a failure that says why not."""

import pytest

from repository.dimse import planned
from repository.dimse.identifiers import InvalidIdentifier, Wanted
from tests.registry.factories import make_department, make_region_actor, make_study, make_uid

pytestmark = pytest.mark.django_db


def test_more_studies_than_one_request_may_name_are_refused() -> None:
    uids = tuple(make_uid() for _ in range(planned.MOST_STUDIES + 1))
    with pytest.raises(InvalidIdentifier, match="at most"):
        planned.plan(Wanted("STUDY", "", uids, (), ()), make_region_actor())


def test_a_patient_of_more_studies_is_refused_and_not_sent_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "MOST_STUDIES", 1)
    department = make_department()
    for _ in range(2):
        make_study(department)
    wanted = Wanted("PATIENT", "191212121212", (), (), ())
    with pytest.raises(InvalidIdentifier, match="more than 1"):
        planned.plan(wanted, make_region_actor())
