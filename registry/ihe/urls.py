"""The address of the registry."""

from django.urls import path

from registry.ihe import registry, stored_query
from registry.ihe.views import Operation, simple, soap_view

REGISTER = Operation(registry.ACTION, registry.ROOT, "store", simple(registry.handle, registry.ANSWER))
STORED_QUERY = Operation(
    stored_query.ACTION, stored_query.ROOT, "read", simple(stored_query.handle, stored_query.ANSWER)
)

urlpatterns = [path("registry", soap_view([STORED_QUERY, REGISTER]))]
