"""Who made a document: authors, authenticators and recipients as contained resources, and read back.

An author is the Practitioner or the Organization alone where that is all there is, else a PractitionerRole that
holds them together.

Standard: IHE ITI TF-3 4.5.1, 4.2.3.1.4
"""

from collections.abc import Callable, Iterable, Sequence

from registry.fhir.documents import hl7_texts
from registry.fhir.structure import Resource
from registry.submission import Author

FURTHER_INSTITUTION = "urn:samsyn:author-institution"
Resolve = Callable[[Resource], Resource | None]
"""Finds the resource that a Reference points to, within what was sent."""


def write_authors(authors: Sequence[Author], contained: list[Resource]) -> list[Resource]:
    """Add authors to what a resource contains; returns the references to them."""
    return [
        reference
        for number, author in enumerate(authors, 1)
        if (reference := _write_author(author, f"author{number}", contained))
    ]


def write_person(xcn: str, key: str, contained: list[Resource]) -> Resource:
    """Contain a Practitioner; returns the reference, empty where the text names nobody."""
    return _contain(contained, key, "Practitioner", hl7_texts.practitioner_of_xcn(xcn))


def write_recipient(text: str, key: str, contained: list[Resource]) -> Resource:
    """Contain an intended recipient (`XON|XCN|XTN`); returns the reference to who is named first."""
    organization, person, contact, *_ = [*text.split("|"), "", ""]
    telecom = _telecom([contact])
    if person:
        found = hl7_texts.practitioner_of_xcn(person) | telecom
        if not organization:
            return _contain(contained, key, "Practitioner", found)
        role = {
            "practitioner": _contain(contained, f"{key}-person", "Practitioner", found),
            "organization": _contain_organization(organization, f"{key}-organization", contained),
        }
        return _contain(contained, key, "PractitionerRole", {name: one for name, one in role.items() if one})
    if organization:
        return _contain(contained, key, "Organization", hl7_texts.organization_of_xon(organization) | telecom)
    return _contain(contained, key, "Practitioner", telecom)


def read_authors(references: Iterable[Resource], resolve: Resolve) -> tuple[Author, ...]:
    """Read the authors that references point to."""
    authors = (read_author(reference, resolve) for reference in references)
    return tuple(author for author in authors if author != Author())


def read_author(reference: Resource, resolve: Resolve) -> Author:
    """Read one author; one that cannot be followed is kept as a person of that number, name or address."""
    resource = resolve(reference)
    if resource is None:
        return Author(person=_unresolved(reference))
    contacts = tuple(filter(None, map(hl7_texts.xtn_of_contact, resource.get("telecom", []))))
    if resource["resourceType"] == "Organization":
        return Author(
            institutions=_texts([hl7_texts.xon_of_organization(resource)]), telecommunications=contacts
        )
    if resource["resourceType"] != "PractitionerRole":
        return Author(person=hl7_texts.xcn_of_practitioner(resource), telecommunications=contacts)
    places = [resource.get("organization", {})]
    places += [
        extension.get("valueReference", {})
        for extension in resource.get("extension", [])
        if extension.get("url") == FURTHER_INSTITUTION
    ]
    return Author(
        person=read_person(resource.get("practitioner", {}), resolve),
        institutions=_texts(_read_institution(place, resolve) for place in places),
        roles=_texts(map(_text_of, resource.get("code", []))),
        specialties=_texts(map(_text_of, resource.get("specialty", []))),
        telecommunications=contacts,
    )


def read_person(reference: Resource, resolve: Resolve) -> str:
    """Read the person that a reference points to as XCN; of a role the person in it."""
    if not reference:
        return ""
    resource = resolve(reference)
    if resource is None:
        return _unresolved(reference)
    if resource["resourceType"] == "PractitionerRole":
        return read_person(resource.get("practitioner", {}), resolve)
    return hl7_texts.xcn_of_practitioner(resource)


def read_recipient(reference: Resource, resolve: Resolve) -> str:
    """Read an intended recipient as `XON|XCN|XTN`."""
    author = read_author(reference, resolve)
    parts = (author.institutions[:1], (author.person,), author.telecommunications[:1])
    return "|".join("".join(part) for part in parts).rstrip("|")


def _write_author(author: Author, key: str, contained: list[Resource]) -> Resource:
    telecom = _telecom(author.telecommunications)
    person = hl7_texts.practitioner_of_xcn(author.person)
    if not author.institutions and not author.roles and not author.specialties:
        return _contain(contained, key, "Practitioner", person | telecom)
    if len(author.institutions) == 1 and not (person or author.roles or author.specialties):
        found = hl7_texts.organization_of_xon(author.institutions[0])
        return _contain(contained, key, "Organization", found | telecom)
    places = [
        place
        for number, xon in enumerate(author.institutions, 1)
        if (place := _contain_organization(xon, f"{key}-organization{number}", contained))
    ]
    role: Resource = {
        "extension": [{"url": FURTHER_INSTITUTION, "valueReference": place} for place in places[1:]],
        "practitioner": _contain(contained, f"{key}-person", "Practitioner", person),
        "organization": places[0] if places else {},
        "code": [{"text": text} for text in author.roles if text],
        "specialty": [{"text": text} for text in author.specialties if text],
        **telecom,
    }
    return _contain(contained, key, "PractitionerRole", {name: one for name, one in role.items() if one})


def _contain_organization(xon: str, key: str, contained: list[Resource]) -> Resource:
    return _contain(contained, key, "Organization", hl7_texts.organization_of_xon(xon))


def _contain(contained: list[Resource], key: str, resource_type: str, elements: Resource) -> Resource:
    if not elements:
        return {}
    contained.append({"resourceType": resource_type, "id": key, **elements})
    return {"reference": f"#{key}"}


def _telecom(texts: Iterable[str]) -> Resource:
    contacts = [contact for text in texts if (contact := hl7_texts.contact_of_xtn(text))]
    return {"telecom": contacts} if contacts else {}


def _read_institution(reference: Resource, resolve: Resolve) -> str:
    if not reference:
        return ""
    resource = resolve(reference)
    if resource is None:
        name = str(reference.get("display") or reference.get("reference") or "")
        identifiers = [reference["identifier"]] if "identifier" in reference else []
        return hl7_texts.xon_of_organization({"name": name, "identifier": identifiers})
    return hl7_texts.xon_of_organization(resource)


def _unresolved(reference: Resource) -> str:
    identifier = reference.get("identifier") or {"value": reference.get("reference", "")}
    name = {"family": reference["display"]} if reference.get("display") else {}
    return hl7_texts.xcn_of_practitioner({"identifier": [identifier], "name": [name]})


def _text_of(concept: Resource) -> str:
    if concept.get("text"):
        return str(concept["text"])
    coding: Resource = next(iter(concept.get("coding", [])), {})
    return str(coding.get("display") or coding.get("code") or "")


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(value for value in values if value)
