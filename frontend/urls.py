"""Routes of the portal, included at the root."""

from django.urls import path

from frontend.views.choose_assignment import choose_assignment
from frontend.views.distribution import show_distribution
from frontend.views.document import fetch_document
from frontend.views.patient import show_patient
from frontend.views.preferences import set_theme
from frontend.views.search import show_search, show_start
from frontend.views.series import show_series
from frontend.views.study import show_study

urlpatterns = [
    path("", show_start, name="start"),
    path("search/", show_search, name="search"),
    path("assignment/", choose_assignment, name="choose_assignment"),
    path("preferences/theme/", set_theme, name="set_theme"),
    path("patients/<int:pk>/", show_patient, name="patient"),
    path("studies/<str:study_instance_uid>/", show_study, name="study"),
    path("studies/<str:study_instance_uid>/distribution/", show_distribution, name="distribution"),
    path(
        "studies/<str:study_instance_uid>/series/<str:series_instance_uid>/",
        show_series,
        name="series",
    ),
    path(
        "studies/<str:study_instance_uid>/series/<str:series_instance_uid>/documents/<str:sop_instance_uid>/",
        fetch_document,
        name="document",
    ),
]
