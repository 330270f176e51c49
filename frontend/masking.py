"""A protected identity: pages say nothing of where the patient is, was or will be in care."""

from collections.abc import Iterable
from dataclasses import replace

from django.utils.translation import gettext as _

from access.policy import Decision
from frontend.reports import RequestView, read_requests
from frontend.studies import StudyRow, make_row
from registry.models import Study

MASK = "mask"


def is_masked(decision: Decision) -> bool:
    """Tell whether a decision obliges to say no place."""
    return MASK in decision.obligations


def make_row_under(decision: Decision, study: Study) -> StudyRow:
    """Make the row of a study as its decision allows to show it."""
    row = make_row(study)
    return replace(row, hospital=_("place not shown"), department="") if is_masked(decision) else row


def read_requests_under(decision: Decision, study: Study) -> Iterable[RequestView]:
    """Read the requests of a study, without the places that ordered it where none may be said."""
    requests = read_requests(study)
    return tuple(replace(row, department="") for row in requests) if is_masked(decision) else requests
