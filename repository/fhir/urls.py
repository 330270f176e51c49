"""The addresses of FHIR where documents go in and out; they stand before those of the resources alone."""

from collections.abc import Sequence
from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.urls import path

from registry.fhir import views
from registry.fhir.door import ResourceDoor
from registry.fhir.resources import document_reference
from registry.fhir.urls import unknown
from registry.fhir.views import fhir_view
from repository.fhir import binary, generate
from repository.fhir.provide import provide_bundle, publish, publish_reference
from repository.fhir.refusals import TRANSFER_ERRORS

RECIPIENT = "https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentRecipient"
_provide = fhir_view({"POST": provide_bundle}, TRANSFER_ERRORS)


def base(request: HttpRequest) -> HttpResponse:
    """Take a transaction at the base address, where nothing else is."""
    response: HttpResponse = (_provide if request.method == "POST" else unknown)(request)
    return response


base.csrf_exempt = True  # type: ignore[attr-defined]  # as every FHIR view

document_urls = [
    path("", base),
    path(
        "DocumentReference",
        fhir_view(
            {"GET": views.search_by_address(document_reference.DOOR), "POST": publish}, TRANSFER_ERRORS
        ),
    ),
    path(
        f"DocumentReference/${generate.OPERATION.name}",
        fhir_view({"POST": generate.generate_metadata}, TRANSFER_ERRORS),
    ),
    path("Binary/<str:key>", binary.retrieve_document),
]


def with_documents(doors: Sequence[ResourceDoor]) -> tuple[ResourceDoor, ...]:
    """Return the table of resources with what documents have beside their metadata."""
    held = document_reference.DOOR
    statements = (*held.statements, RECIPIENT, f"{RECIPIENT}.Simplified", f"{RECIPIENT}.Generate")
    operations = (*held.operations, generate.OPERATION)
    writable = replace(held, create=publish_reference, statements=statements, operations=operations)
    return (*(writable if door is held else door for door in doors), binary.DOOR)
