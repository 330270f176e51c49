"""Routes of the pages on which distribution is kept, included at `distribution/`."""

from django.urls import path

from frontend.views import board, destinations, operations, subscriptions

urlpatterns = [
    path("", board.show_board, name="board"),
    path("part/", board.refresh_board, name="refresh_board"),
    path("deliveries/acts/", operations.operate_deliveries, name="operate_deliveries"),
    path("deliveries/<key:pk>/acts/", operations.operate_delivery, name="operate_delivery"),
    path("recalls/<key:pk>/done/", operations.finish_recall, name="finish_recall"),
    *(
        path(
            f"destinations/<key:pk>/{act}/",
            operations.operate_destination,
            {"act": act},
            name=f"{act}_destination",
        )
        for act in operations.DESTINATION_ACTS
    ),
    path("deliveries/", board.show_deliveries, name="deliveries"),
    path("destinations/", destinations.show_destinations, name="destinations"),
    path("destinations/new/", destinations.add_destination, name="add_destination"),
    path("destinations/<key:pk>/", destinations.edit_destination, name="edit_destination"),
    path("subscriptions/", subscriptions.show_subscriptions, name="subscriptions"),
    path(
        "subscriptions/of/<key:department_id>/new/", subscriptions.add_subscription, name="add_subscription"
    ),
    path(
        "subscriptions/of/<key:department_id>/preview/",
        subscriptions.preview_subscription,
        name="preview_subscription",
    ),
    path("subscriptions/<key:pk>/", subscriptions.edit_subscription, name="edit_subscription"),
    path("subscriptions/<key:pk>/remove/", subscriptions.remove_subscription, name="remove_subscription"),
    path("subscriptions/<key:pk>/replay/", subscriptions.replay_subscription, name="replay_subscription"),
]
