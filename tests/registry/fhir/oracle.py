"""Other people's FHIR: every resource that is sent must be one to both of them.

fhirclient's models are R4 and refuse elements they do not know; fhir.resources checks formats and required values
(R4B, which for these resources is R4).
"""

from importlib import import_module
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from lxml import etree

Resource = dict[str, Any]


def check_resource(resource: Resource) -> None:
    """Raise unless both know the resource as one of its type."""
    name = resource["resourceType"]
    get_fhir_model_class(name).model_validate(resource)
    module = import_module(f"fhirclient.models.{name.lower()}")
    getattr(module, name)(resource, strict=True)


def read_xml(body: bytes) -> Resource:
    """Read XML with fhir.resources and return the JSON form."""
    name = etree.QName(etree.fromstring(body)).localname
    model = get_fhir_model_class(name).model_validate_xml(body)
    return model.model_dump(mode="json")


def write_xml(resource: Resource) -> bytes:
    """Write a resource as XML with fhir.resources."""
    written = get_fhir_model_class(resource["resourceType"]).model_validate(resource).model_dump_xml()
    return written if isinstance(written, bytes) else written.encode()
