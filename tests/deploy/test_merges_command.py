"""The command that lists merges and undoes one."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from registry.identity import PatientNumber, find_patient
from registry.merges import merge

ONE, OTHER = PatientNumber("1", "1.2.3"), PatientNumber("2", "1.2.3")


@pytest.mark.django_db
def test_a_merge_is_listed_and_undone():
    row = merge(ONE, OTHER, source="feed")
    shown = StringIO()
    call_command("merges", "list", stdout=shown)
    assert f"{row.pk}  " in shown.getvalue()
    call_command("merges", "undo", str(row.pk), "--reason", "wrong", stdout=StringIO())
    assert find_patient(ONE) != find_patient(OTHER)
    with pytest.raises(CommandError, match="already"):
        call_command("merges", "undo", str(row.pk), "--reason", "again")
