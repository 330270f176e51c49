"""Generate Metadata (ITI-106): a document comes alone, and its DocumentReference is made here.

Standard: IHE ITI TF-2 3.106
"""

from collections.abc import Sequence

import orjson
from django.http import HttpRequest

from registry.fhir.door import Asked, Operation
from registry.fhir.errors import InvalidParameter, UnheldContent
from registry.fhir.formats import JSON, XML, read_resource
from registry.fhir.structure import Resource
from registry.fhir.views import Answer
from registry.submission import SubmissionRefused
from repository.admission import admitted_upload
from repository.fhir.bodies import outcome_of, read_whole
from repository.fhir.described import Described, describe_bundle, describe_cda
from repository.fhir.provide import REFUSED, register_reference, require_store
from repository.fhir.provided import decode

DOOR = "iti-106"
_PLACE = "Parameters.parameter[0].resource"


def generate_metadata(request: HttpRequest, asked: Asked) -> Answer:
    """Take a document in Parameters; answers with the reference to what was made of it."""
    require_store(asked)
    try:
        with admitted_upload(asked.actor):
            described = _read(read_resource(*read_whole(request), "Parameters"))
            made = register_reference(asked, described.reference, door=DOOR, beside=described.beside)
    except SubmissionRefused as error:
        return Answer(outcome_of(error.errors), REFUSED)
    told = {"name": "DocumentReference", "valueReference": {"reference": f"DocumentReference/{made['id']}"}}
    return Answer({"resourceType": "Parameters", "parameter": [told]})


def _read(parameters: Resource) -> Described:
    found = [one for one in parameters.get("parameter", []) if one.get("name") == "document"]
    if len(found) != 1 or "resource" not in found[0]:
        raise UnheldContent("one parameter `document` holds the document", "Parameters.parameter")
    held: Resource = found[0]["resource"]
    if held.get("resourceType") == "Bundle":
        return describe_bundle(held, orjson.dumps(held), "application/fhir+json", _PLACE)
    if held.get("resourceType") != "Binary":
        raise UnheldContent("the document is a Binary (CDA) or a Bundle (FHIR document)", _PLACE)
    content = decode(str(held.get("data", "")), f"{_PLACE}.data")
    kind = str(held.get("contentType", "")).partition(";")[0].strip().lower()
    if "fhir" in kind:
        bundle = read_resource(content, XML if "xml" in kind else JSON, "Bundle")
        return describe_bundle(bundle, content, kind, _PLACE)
    return describe_cda(content, f"{_PLACE}.data")


def _refuse_without_document(asked: Asked, key: str, pairs: Sequence[tuple[str, str]]) -> Resource:
    del asked, key, pairs
    raise InvalidParameter("the document is sent by POST in Parameters", "document")


OPERATION = Operation(
    "generate-metadata",
    "https://profiles.ihe.net/ITI/MHD/OperationDefinition/generate-metadata",
    "A CDA or a FHIR document is registered with what it says of itself",
    _refuse_without_document,
)
"""What the capability statement says; the address itself is answered by `generate_metadata`."""
