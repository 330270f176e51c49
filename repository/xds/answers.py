"""What the retrieve transactions answer: a status, errors, and documents whose bytes stream behind the envelope.

Standard: IHE ITI TF-2 3.43.4.2, TF-3 4.2.4
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from access.actor import Actor
from registry.ihe.ebrim_names import RS
from registry.ihe.errors import FAILURE, SUCCESS, add_errors
from registry.ihe.mtom import Outgoing, new_content_id
from registry.ihe.namespaces import XOP
from registry.ihe.soap import SoapAnswer, answer_package
from registry.ihe.xml import Element
from registry.submission import RegistryError
from repository.admission import AdmittedDownload

LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
XDSB = "urn:ihe:iti:xds-b:2007"
RETRIEVED = "urn:ihe:iti:2007:RetrieveDocumentSetResponse"
PARTIAL_SUCCESS = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document that is asked for, with the ids as they were sent."""

    repository_unique_id: str
    unique_id: str
    home_community_id: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """A document that is given: its bytes are read when their turn comes."""

    wanted: Wanted
    mime_type: str
    pieces: Iterator[bytes]


def make_registry_response(status: str, errors: Sequence[RegistryError]) -> Element:
    """Make an `rs:RegistryResponse`."""
    response = etree.Element(f"{{{RS}}}RegistryResponse", nsmap={"rs": RS}, status=status)
    add_errors(response, errors)
    return response


def answer_documents(
    actor: Actor, message_id: str, given: Sequence[Given], errors: Sequence[RegistryError]
) -> SoapAnswer:
    """Answer with the documents that can be given and the errors of the others; holds a download place."""
    status = SUCCESS if not errors else PARTIAL_SUCCESS if given else FAILURE
    root = etree.Element(f"{{{XDSB}}}RetrieveDocumentSetResponse", nsmap={None: XDSB})
    root.append(make_registry_response(status, errors))
    outgoing = [_add_response(root, document) for document in given]
    answer = answer_package(RETRIEVED, message_id, root, outgoing)
    if not given:
        return answer
    pieces = AdmittedDownload(actor, iter(answer.pieces))
    return SoapAnswer(answer.status, answer.content_type, pieces, is_package=True)


def _add_response(root: Element, document: Given) -> Outgoing:
    response = etree.SubElement(root, f"{{{XDSB}}}DocumentResponse")
    wanted = document.wanted
    for name, text in (
        ("HomeCommunityId", wanted.home_community_id),
        ("RepositoryUniqueId", wanted.repository_unique_id),
        ("DocumentUniqueId", wanted.unique_id),
        ("mimeType", document.mime_type),
    ):
        if text:
            etree.SubElement(response, f"{{{XDSB}}}{name}").text = text
    content_id = new_content_id()
    included = etree.SubElement(response, f"{{{XDSB}}}Document")
    etree.SubElement(included, f"{{{XOP}}}Include", nsmap={"xop": XOP}, href=f"cid:{content_id}")
    return Outgoing(content_id, document.mime_type, document.pieces)


def local_name(element: Element) -> str:
    """Return the name of an element whatever its namespace."""
    return str(etree.QName(element).localname)


def read_wanted(element: Element) -> Wanted:
    """Read a DocumentRequest, in the namespace of ITI or of RAD."""
    values = {local_name(child): (child.text or "").strip() for child in element}
    return Wanted(
        values.get("RepositoryUniqueId", ""),
        values.get("DocumentUniqueId", ""),
        values.get("HomeCommunityId", ""),
    )
