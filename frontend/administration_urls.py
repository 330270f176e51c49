"""Routes of the administration pages, included at `administration/`."""

from django.urls import path

from frontend.views.codes import map_word, show_affinity, show_codes
from frontend.views.members import end_membership, show_members
from frontend.views.merges import decide_request, show_merge, show_merges
from frontend.views.roles import show_roles, view_as_role

urlpatterns = [
    path("members/", show_members, name="members"),
    path("members/<key:pk>/end/", end_membership, name="end_membership"),
    path("codes/", show_codes, name="codes"),
    path("codes/words/<key:pk>/", map_word, name="map_word"),
    path("affinity/", show_affinity, name="affinity"),
    path("merges/", show_merges, name="merges"),
    path("merges/<key:pk>/", show_merge, name="merge"),
    path("merges/requests/<key:pk>/", decide_request, name="merge_request"),
    path("roles/", show_roles, name="roles"),
    path("roles/view-as/", view_as_role, name="view_as_role"),
]
