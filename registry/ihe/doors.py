"""The address of the registry: which transactions it takes."""

from registry.ihe import registry
from registry.ihe.views import Operation, simple, soap_view

OPERATIONS = (Operation(registry.ACTION, registry.ROOT, "store", simple(registry.handle, registry.ANSWER)),)

registry_view = soap_view(OPERATIONS)
