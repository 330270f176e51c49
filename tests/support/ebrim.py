"""Requests of the registry, our own schemas of them, and the published ones where they lie beside the checkout."""

from functools import cache
from pathlib import Path

from lxml import etree

from registry.ihe.ebrim_names import LCM, QUERY, RIM, RS
from registry.ihe.ebrim_writing import write_association, write_entry, write_folder, write_set
from registry.submission import Submission
from tests.support.soap import SOAP

PUBLISHED = Path(__file__).parents[3] / "shared/data/standards/xsd"
OWN = Path(__file__).parent / "schemas"
XDSB = "urn:ihe:iti:xds-b:2007"
_SCHEMA_OF = {LCM: "lcm.xsd", QUERY: "query.xsd", RS: "rs.xsd", SOAP: "soap12.xsd", XDSB: "xdsb.xsd"}
_PUBLISHED_AS = {"xdsb.xsd": "XDS.b_DocumentRepository.xsd"}


def write_request(submission: Submission):
    """Write a submission as a SubmitObjectsRequest."""
    request = etree.Element(f"{{{LCM}}}SubmitObjectsRequest", nsmap={"lcm": LCM})
    listed = etree.SubElement(request, f"{{{RIM}}}RegistryObjectList")
    listed.extend(write_set(draft) for draft in submission.submission_sets)
    listed.extend(write_entry(draft) for draft in submission.entries)
    listed.extend(write_folder(draft) for draft in submission.folders)
    listed.extend(write_association(draft) for draft in submission.associations)
    return request


def write_query(query: str, slots, return_type: str = "LeafClass", home: str = ""):
    """Write an AdhocQueryRequest; `slots` are pairs of name and values."""
    request = etree.Element(f"{{{QUERY}}}AdhocQueryRequest", nsmap={"query": QUERY, "rim": RIM})
    etree.SubElement(
        request, f"{{{QUERY}}}ResponseOption", returnComposedObjects="true", returnType=return_type
    )
    asked = etree.SubElement(request, f"{{{RIM}}}AdhocQuery", id=f"urn:uuid:{query}")
    if home:
        asked.set("home", home)
    for name, values in slots:
        slot = etree.SubElement(asked, f"{{{RIM}}}Slot", name=name)
        listed = etree.SubElement(slot, f"{{{RIM}}}ValueList")
        for value in values:
            etree.SubElement(listed, f"{{{RIM}}}Value").text = value
    return request


@cache
def _schema(path: Path):
    return etree.XMLSchema(etree.parse(str(path))) if path.exists() else None


def check_schema(element, name: str) -> None:
    """Hold an element to our own schema and, where it lies beside the checkout, to the published one."""
    copy = etree.fromstring(etree.tostring(element))
    for schema in (_schema(OWN / name), _schema(PUBLISHED / _PUBLISHED_AS.get(name, name))):
        if schema is not None:
            schema.assertValid(copy)


def check_answer(envelope) -> None:
    """Hold an answer to the schemas of its envelope and of the element in its body."""
    check_schema(envelope, "soap12.xsd")
    assert [etree.QName(child).localname for child in envelope] == ["Header", "Body"]
    [body] = envelope.find(f"{{{SOAP}}}Body")
    name = _SCHEMA_OF[etree.QName(body).namespace]
    if name == "xdsb.xsd":
        # an xop:Include is no base64; what it includes is checked by whoever reads it
        body = etree.fromstring(etree.tostring(body))
        for document in body.iter(f"{{{XDSB}}}Document"):
            document[:] = []
    check_schema(body, name)
