"""The addresses of FHIR, made of the table of resources."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.urls import URLPattern, path

from registry.fhir import views
from registry.fhir.capability import make_capability_statement
from registry.fhir.door import ResourceDoor
from registry.fhir.errors import UnknownResource
from registry.fhir.views import Answer, Handler, fhir_view


def make_urls(doors: Sequence[ResourceDoor]) -> list[URLPattern]:
    """Return the routes of all resources, `metadata`, and the answer to everything else."""

    def show_capabilities(request: HttpRequest) -> Answer:
        return Answer(make_capability_statement(doors, views.fhir_base(request)))

    routes = [path("metadata", fhir_view({"GET": show_capabilities}, is_open=True))]
    for door in doors:
        routes += _make_routes(door)
    return [*routes, path("", unknown), path("<path:rest>", unknown)]


def _make_routes(door: ResourceDoor) -> list[URLPattern]:
    of_type: dict[str, Handler] = {}
    of_instance: dict[str, Handler] = {}
    if door.search:
        of_type["GET"] = views.search_by_address(door)
    if door.create:
        of_type["POST"] = views.create(door)
    if door.update_where:
        of_type["PUT"] = views.update_where(door)
    if door.delete_where:
        of_type["DELETE"] = views.delete_where(door)
    if door.read:
        of_instance["GET"] = views.read_one(door)
    if door.update:
        of_instance["PUT"] = views.update(door)
    if door.delete:
        of_instance["DELETE"] = views.delete(door)
    routes = [path(door.type, fhir_view(of_type, door.errors))]
    for operation in door.operations:
        call = views.operate(operation)
        place = f"<str:key>/${operation.name}" if operation.of_instance else f"${operation.name}"
        routes.append(path(f"{door.type}/{place}", fhir_view({"GET": call, "POST": call}, door.errors)))
    if door.history:
        shown = fhir_view({"GET": views.read_history(door)}, door.errors)
        routes.append(path(f"{door.type}/<str:key>/_history", shown))
    if door.read_version:
        version = fhir_view({"GET": views.read_version(door)}, door.errors)
        routes.append(path(f"{door.type}/<str:key>/_history/<str:version>", version))
    if door.search:
        search = {"POST": views.search_by_form(door), "GET": views.search_by_address(door)}
        routes.append(path(f"{door.type}/_search", fhir_view(search, door.errors)))
    return [*routes, path(f"{door.type}/<str:key>", fhir_view(of_instance, door.errors))]


def _refuse(_: HttpRequest, rest: str = "") -> Answer:
    raise UnknownResource(f"nothing is served at {rest[:100]!r}; /metadata says what is")


unknown = fhir_view(dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), _refuse), is_open=True)
"""The answer below the base where nothing is served, and at the base itself."""
