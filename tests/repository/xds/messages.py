"""Submissions as other systems write them: ebRIM as text."""

from tests.registry.factories import make_uid
from tests.support.soap import make_envelope
from tests.support.submissions import write_id

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
XDSB = "urn:ihe:iti:xds-b:2007"
PROVIDE = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
REGISTER = "urn:ihe:iti:2007:RegisterDocumentSet-b"


def slot(name: str, *values: str) -> str:
    listed = "".join(f"<Value>{value}</Value>" for value in values)
    return f'<Slot name="{name}"><ValueList>{listed}</ValueList></Slot>'


def code(parent: str, scheme: str, value: str, coding: str) -> str:
    return (
        f'<Classification id="c-{parent}-{scheme[:8]}" classifiedObject="{parent}" classificationScheme="urn:uuid:{scheme}"'
        f' nodeRepresentation="{value}">{slot("codingScheme", coding)}'
        f'<Name><LocalizedString value="{value}"/></Name></Classification>'
    )


def identifier(parent: str, scheme: str, value: str, name: str) -> str:
    return (
        f'<ExternalIdentifier id="i-{parent}-{scheme[:8]}" registryObject="{parent}" identificationScheme="urn:uuid:{scheme}"'
        f' value="{value.replace("&", "&amp;")}"><Name><LocalizedString value="{name}"/></Name></ExternalIdentifier>'
    )


def entry(symbol: str, unique_id: str, extra: str = "") -> str:
    patient = write_id()
    return (
        f'<ExtrinsicObject id="{symbol}" mimeType="application/pdf"'
        f' objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">'
        + slot("creationTime", "20260301")
        + slot("languageCode", "sv-SE")
        + slot("sourcePatientId", patient.replace("&", "&amp;"))
        + extra
        + "<Name><LocalizedString value='Utlåtande'/></Name>"
        + code(symbol, "41a5887f-8865-4c09-adf7-e362475b143a", "REPORTS", "1.3.6.1.4.1.19376.1.2.6.1")
        + code(symbol, "f4f85eac-e6cb-4883-b524-f2705394840f", "N", "2.16.840.1.113883.5.25")
        + code(
            symbol,
            "a09d5840-386c-46f2-b5ad-9c3699a4309d",
            "urn:ihe:iti:xds-sd:pdf:2008",
            "1.3.6.1.4.1.19376.1.2.3",
        )
        + code(symbol, "f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "22232009", "2.16.840.1.113883.6.96")
        + code(symbol, "cccf5598-8b07-4b77-a05e-ae952c785ead", "394914008", "2.16.840.1.113883.6.96")
        + code(symbol, "f0306f51-975f-434e-a61c-c59651d33983", "18748-4", "2.16.840.1.113883.6.1")
        + identifier(symbol, "58a6f841-87b3-4a3e-92fd-a8ffeff98427", patient, "XDSDocumentEntry.patientId")
        + identifier(symbol, "2e82c1f6-a085-4c72-9da3-8640a32e42ab", unique_id, "XDSDocumentEntry.uniqueId")
        + "</ExtrinsicObject>"
    )


def metadata(*entries: tuple[str, str], extra: str = "") -> str:
    """Write a SubmitObjectsRequest of entries given as (symbol, uniqueId)."""
    package = (
        '<RegistryPackage id="SubmissionSet01">'
        + slot("submissionTime", "20260302101112")
        + code("SubmissionSet01", "aa543740-bdda-424e-8c96-df4873be8500", "18748-4", "2.16.840.1.113883.6.1")
        + identifier(
            "SubmissionSet01",
            "6b5aea1a-874d-4603-a4bc-96a0a7b38446",
            write_id(),
            "XDSSubmissionSet.patientId",
        )
        + identifier(
            "SubmissionSet01",
            "554ac39e-e3fe-47fe-b233-965d2a147832",
            "1.2.3.4.6",
            "XDSSubmissionSet.sourceId",
        )
        + identifier(
            "SubmissionSet01", "96fdda7c-d067-4183-912e-bf5ee74998a8", make_uid(), "XDSSubmissionSet.uniqueId"
        )
        + "</RegistryPackage>"
        '<Classification id="cl01" classifiedObject="SubmissionSet01" classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"/>'
    )
    members = "".join(
        f'<Association id="as-{symbol}" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"'
        f' sourceObject="SubmissionSet01" targetObject="{symbol}">{slot("SubmissionSetStatus", "Original")}</Association>'
        for symbol, _ in entries
    )
    objects = "".join(entry(symbol, unique_id, extra) for symbol, unique_id in entries)
    return (
        f'<lcm:SubmitObjectsRequest xmlns:lcm="{LCM}"><RegistryObjectList xmlns="{RIM}">'
        f"{objects}{package}{members}</RegistryObjectList></lcm:SubmitObjectsRequest>"
    )


def provide(request: str, documents: dict[str, str]) -> bytes:
    """Write the envelope of ITI-41; documents by id, as what stands in their element."""
    listed = "".join(f'<x:Document id="{key}">{content}</x:Document>' for key, content in documents.items())
    body = f'<x:ProvideAndRegisterDocumentSetRequest xmlns:x="{XDSB}">{request}{listed}</x:ProvideAndRegisterDocumentSetRequest>'
    return make_envelope(PROVIDE, body)
