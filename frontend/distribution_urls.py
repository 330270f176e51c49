"""Routes of the pages on which distribution is kept, included at `distribution/`."""

from django.urls import path

from frontend.views import board, destinations

urlpatterns = [
    path("", board.show_board, name="board"),
    path("part/", board.refresh_board, name="refresh_board"),
    path("deliveries/", board.show_deliveries, name="deliveries"),
    path("destinations/", destinations.show_destinations, name="destinations"),
    path("destinations/new/", destinations.add_destination, name="add_destination"),
    path("destinations/<key:pk>/", destinations.edit_destination, name="edit_destination"),
]
