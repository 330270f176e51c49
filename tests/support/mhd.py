"""What the profiles of IHE MHD and MADO demand of resources, written from their definitions.

Standard: IHE ITI MHD 4.2 (StructureDefinitions), IHE RAD MADO (DocumentReference profiles)
"""

import base64
from typing import Any

Resource = dict[str, Any]

URI = "urn:ietf:rfc:3986"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
EXTENSION = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-"
R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DocumentReference."


def check_document_reference(resource: Resource) -> None:
    """Raise unless a DocumentReference keeps the Minimal profile, and its references lead somewhere within it."""
    master = resource["masterIdentifier"]
    assert master["system"]
    assert master["value"]
    pairs = [(each["system"], each["value"]) for each in resource["identifier"]]
    assert (master["system"], master["value"]) in pairs
    [official] = [each for each in resource["identifier"] if each.get("use") == "official"]
    assert (official["system"], official["value"][:9]) == (URI, "urn:uuid:")
    assert resource["status"] in ("current", "superseded")
    assert not {"modifierExtension", "docStatus", "custodian"} & resource.keys()
    [content] = resource["content"]
    attachment = content["attachment"]
    assert attachment["contentType"]
    assert attachment["url"]
    assert "data" not in attachment
    if "hash" in attachment:
        assert len(base64.b64decode(attachment["hash"], validate=True)) == 20
    assert "encounter" not in resource.get("context", {})
    for relation in resource.get("relatesTo", []):
        assert relation["code"] in ("replaces", "transforms", "signs", "appends")
        assert relation["target"]["reference"].startswith("DocumentReference/")
    check_contained(resource)


def check_comprehensive_reference(resource: Resource) -> None:
    """Raise unless a DocumentReference keeps the Comprehensive profile."""
    check_document_reference(resource)
    assert resource["type"]
    assert len(resource["category"]) == 1
    assert resource["securityLabel"]
    assert resource["subject"]["reference"].startswith("Patient/")
    [content] = resource["content"]
    assert content["attachment"]["language"]
    assert content["attachment"]["creation"]
    assert content["format"]
    context = resource["context"]
    assert context["facilityType"]
    assert context["practiceSetting"]
    assert context["sourcePatientInfo"].get("reference", "#").startswith("#")


def check_manifest_reference(resource: Resource) -> None:
    """Raise unless a DocumentReference keeps the MADO profile of manifests."""
    check_document_reference(resource)
    [modality] = [each for each in resource["extension"] if each["url"] == f"{R5}modality"]
    assert modality["valueCodeableConcept"]["coding"][0]["system"] == DCM
    sites = [each for each in resource["extension"] if each["url"] == f"{R5}bodySite"]
    assert len(sites) <= 1
    for site in sites:
        [concept] = [each for each in site["extension"] if each["url"] == "concept"]
        assert concept["valueCodeableConcept"]["coding"]
    assert resource["type"]
    assert len(resource["category"]) == 1
    assert resource["subject"]
    attachment = resource["content"][0]["attachment"]
    assert attachment["language"]
    assert attachment["creation"]
    context = resource["context"]
    assert context["facilityType"]
    assert context["practiceSetting"]
    assert context["period"]["start"]
    identifiers = [each["identifier"] for each in context["related"] if "identifier" in each]
    [study] = [each for each in identifiers if _has_type(each, "110180")]
    assert study["system"] == "urn:dicom:uid"
    assert study["value"].startswith("urn:oid:")
    accessions = [each for each in identifiers if _has_type(each, "121022")]
    assert len(accessions) <= 1
    for each in accessions:
        assert any(coding["code"] == "ACSN" for coding in each["type"]["coding"])


def check_list(resource: Resource) -> None:
    """Raise unless a List keeps the Minimal profile of submission sets, or of folders."""
    [coding] = resource["code"]["coding"]
    assert coding["system"] == LIST_TYPES
    assert resource["mode"] == "working"
    assert not {"modifierExtension", "encounter", "orderedBy", "emptyReason"} & resource.keys()
    uses = [each["use"] for each in resource["identifier"]]
    assert uses.count("usual") == 1
    assert uses.count("official") == 1
    urls = [each["url"] for each in resource.get("extension", [])]
    if coding["code"] == "submissionset":
        assert urls.count(f"{EXTENSION}sourceId") == 1
        assert urls.count(f"{EXTENSION}designationType") <= 1
        assert resource["date"]
        for each in resource["identifier"]:
            if each["use"] == "usual":
                assert (each["system"], each["value"][:8]) == (URI, "urn:oid:")
    else:
        assert coding["code"] == "folder"
        assert "source" not in resource
    for entry in resource.get("entry", []):
        assert entry.keys() == {"item"}
    check_contained(resource)


def check_contained(resource: Resource) -> None:
    """Raise unless all that is contained is referred to, and every reference inside leads somewhere. (dom-3)"""
    held = {f"#{each['id']}" for each in resource.get("contained", [])}
    assert len(held) == len(resource.get("contained", []))
    assert set(_local_references(resource)) == held


def _local_references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if str(value.get("reference", "")).startswith("#") else []
        return own + [found for each in value.values() for found in _local_references(each)]
    if isinstance(value, list):
        return [found for each in value for found in _local_references(each)]
    return []


def _has_type(identifier: Resource, code: str) -> bool:
    codings = identifier.get("type", {}).get("coding", [])
    return any((coding["system"], coding["code"]) == (DCM, code) for coding in codings)
