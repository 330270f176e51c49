"""Routes of the portal, included at the root."""

from django.urls import path, register_converter

from frontend.views.choose_assignment import choose_assignment
from frontend.views.distribution import show_distribution
from frontend.views.document import fetch_document
from frontend.views.patient import show_patient
from frontend.views.preferences import set_theme
from frontend.views.search import show_search, show_start
from frontend.views.series import show_series
from frontend.views.study import show_study


class UidConverter:
    """A UID in an address; anything else is no address of ours and reaches no database.

    Standard: PS3.5 9
    """

    regex = r"[0-9.]{1,64}"

    def to_python(self, value: str) -> str:
        """Take the UID as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Write the UID as it is."""
        return value


class KeyConverter:
    """The key of a row; short enough for the integers of every database."""

    regex = r"[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Read the key."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Write the key."""
        return str(value)


register_converter(UidConverter, "uid")
register_converter(KeyConverter, "key")

urlpatterns = [
    path("", show_start, name="start"),
    path("search/", show_search, name="search"),
    path("assignment/", choose_assignment, name="choose_assignment"),
    path("preferences/theme/", set_theme, name="set_theme"),
    path("patients/<key:pk>/", show_patient, name="patient"),
    path("studies/<uid:study_instance_uid>/", show_study, name="study"),
    path("studies/<uid:study_instance_uid>/distribution/", show_distribution, name="distribution"),
    path(
        "studies/<uid:study_instance_uid>/series/<uid:series_instance_uid>/",
        show_series,
        name="series",
    ),
    path(
        "studies/<uid:study_instance_uid>/series/<uid:series_instance_uid>/documents/<uid:sop_instance_uid>/",
        fetch_document,
        name="document",
    ),
]
