"""ITI-41 Provide and Register Document Set, and RAD-68, which is the same with manifests.

Standard: IHE ITI TF-2 3.41, IHE RAD TF-2 4.68
"""

import logging
from collections.abc import Callable

from django.db import OperationalError

from access import audit
from registry.ihe.errors import BUSY, FAILURE, SUCCESS
from registry.ihe.faults import sender_fault
from registry.ihe.mtom import Attachment
from registry.ihe.views import Call
from registry.ihe.xml import Element
from registry.submission import RegistryError, Submission, SubmissionRefused
from repository.xds.answers import LCM, XDSB, make_registry_response
from repository.xds.provide import provide

ACTION = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
ANSWER = f"{ACTION}Response"
ROOT = f"{{{XDSB}}}ProvideAndRegisterDocumentSetRequest"
DOOR = "iti-41"

log = logging.getLogger(__name__)


def provide_and_register(call: Call, read_submission: Callable[[Element], Submission]) -> Element:
    """Take a submission with its documents; returns the `rs:RegistryResponse`."""
    metadata = call.body.find(f"{{{LCM}}}SubmitObjectsRequest")
    if metadata is None:
        raise sender_fault("the request holds no lcm:SubmitObjectsRequest")
    try:
        contents = _read_contents(call)
        registered = provide(read_submission(metadata), contents, call.actor, door=DOOR)
    except SubmissionRefused as refused:
        codes = sorted({error.code for error in refused.errors})
        audit.record(call.actor, "store", outcome="refused", door=DOOR, detail={"errors": codes})
        return make_registry_response(FAILURE, refused.errors)
    except OperationalError as error:
        log.warning("%s is busy: %s", DOOR, type(error).__name__)
        return make_registry_response(FAILURE, (BUSY,))
    return make_registry_response(SUCCESS, registered.warnings)


def _read_contents(call: Call) -> dict[str, Attachment]:
    contents: dict[str, Attachment] = {}
    for document in call.body.findall(f"{{{XDSB}}}Document"):
        content_id = document.get("id", "").strip()
        if not content_id:
            raise sender_fault("a Document has no id")
        if content_id in contents:
            raise SubmissionRefused(
                (
                    RegistryError(
                        "XDSRepositoryMetadataError", f"two documents have the id {content_id}", content_id
                    ),
                )
            )
        contents[content_id] = call.request.content_of(document, call.keep)
    return contents
