"""Routes of the pages on which distribution is kept, included at `distribution/`."""

from django.urls import path

from frontend.views import destinations

urlpatterns = [
    path("destinations/", destinations.show_destinations, name="destinations"),
    path("destinations/new/", destinations.add_destination, name="add_destination"),
    path("destinations/<key:pk>/", destinations.edit_destination, name="edit_destination"),
]
