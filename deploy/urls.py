"""All routes, listed once."""

urlpatterns: list = []
