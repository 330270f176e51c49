"""Requests of the registry, and the published schemas where they lie beside the checkout."""

from functools import cache
from pathlib import Path

from lxml import etree

from registry.ihe.ebrim_names import LCM, QUERY, RIM
from registry.ihe.ebrim_writing import write_association, write_entry, write_folder, write_set
from registry.submission import Submission

SCHEMAS = Path(__file__).parents[3] / "shared/data/standards/xsd"


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
def _schema(name: str):
    path = SCHEMAS / name
    return etree.XMLSchema(etree.parse(str(path))) if path.exists() else None


def check_schema(element, name: str) -> None:
    """Hold an element to a published schema where there is one, else to what must be so in any case."""
    schema = _schema(name)
    if schema is not None:
        schema.assertValid(etree.fromstring(etree.tostring(element)))
    for each in element.iter():
        local = etree.QName(each).localname
        if local in ("ExtrinsicObject", "RegistryPackage", "Association", "Classification"):
            assert each.get("id")
            order = ["Slot", "Name", "Description", "VersionInfo", "Classification", "ExternalIdentifier"]
            places = [order.index(etree.QName(child).localname) for child in each]
            assert places == sorted(places)
