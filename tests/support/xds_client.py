"""A document source and consumer of others: zeep, with a WSDL of its own, over HTTP.

Every answer is held to the schemas before zeep reads it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import zeep
from lxml import etree
from zeep.plugins import HistoryPlugin
from zeep.transports import Transport

from tests.support.ebrim import check_answer
from tests.support.http import bearer
from tests.support.soap import SOAP, WSA

WSDL = Path(__file__).parent / "schemas" / "xds.wsdl"
TIMEOUT_S = 60
XDSB = "urn:ihe:iti:xds-b:2007"


class CheckAnswers(zeep.Plugin):
    """Holds every answer to the schemas, and its addressing to what was asked."""

    def __init__(self) -> None:
        self.checked = 0
        self._asked = ""

    def egress(self, envelope: Any, http_headers: Any, operation: Any, binding_options: Any) -> Any:
        """Remember what is asked."""
        self._asked = envelope.findtext(f".//{{{WSA}}}MessageID")
        return envelope, http_headers

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> Any:
        """Check what came."""
        related = envelope.findtext(f"{{{SOAP}}}Header/{{{WSA}}}RelatesTo")
        # who is refused before the message is read is told nothing of the message
        assert related == self._asked or (
            related is None and envelope.find(f".//{{{SOAP}}}Fault") is not None
        )
        check_answer(envelope)
        self.checked += 1
        return envelope, http_headers


@dataclass
class XdsClient:
    """One system at the doors of one server."""

    url: str
    token: str
    history: HistoryPlugin = field(default_factory=HistoryPlugin)
    checks: CheckAnswers = field(default_factory=CheckAnswers)

    def __post_init__(self) -> None:
        session = requests.Session()
        session.headers.update(bearer(self.token))
        transport = Transport(session=session, timeout=TIMEOUT_S, operation_timeout=TIMEOUT_S)
        self.client = zeep.Client(str(WSDL), transport=transport, plugins=[self.history, self.checks])

    def at(self, path: str, binding: str = "Registry") -> Any:
        """Return the operations of a binding at an address."""
        return self.client.create_service(f"{{{XDSB}}}{binding}Soap12", f"{self.url}{path}")

    def register(self, objects: list[dict[str, Any]]) -> Any:
        """Register objects (ITI-42)."""
        return self.at("/ihe/registry").RegisterDocumentSet(RegistryObjectList={"_value_1": objects})

    def ask(self, query: str, *slots: tuple[str, list[str]], return_type: str = "LeafClass") -> Any:
        """Ask a stored query (ITI-18)."""
        return self.at("/ihe/registry").RegistryStoredQuery(
            ResponseOption={"returnType": return_type, "returnComposedObjects": True},
            AdhocQuery={
                "id": f"urn:uuid:{query}",
                "Slot": [write_slot(name, *values) for name, values in slots],
            },
        )

    def sent_envelope(self) -> Any:
        """Return what was sent last."""
        return self.history.last_sent["envelope"]


def objects_of(answer: Any, kind: str) -> list[Any]:
    """Return the objects of a kind that an answer lists."""
    assert answer.status.endswith(":Success"), answer
    listed = answer.RegistryObjectList
    held = listed._value_1 if listed is not None else None
    return [each[kind] for each in held or () if kind in each]


def ids_of(answer: Any, kind: str = "ExtrinsicObject") -> set[str]:
    """Return the ids of the objects of a kind that an answer lists."""
    return {each.id for each in objects_of(answer, kind)}


def codes_of(answer: Any) -> list[str]:
    """Return the error codes of an answer."""
    listed = answer.RegistryErrorList
    return [error.errorCode for error in listed.RegistryError] if listed is not None else []


def write_slot(name: str, *values: str) -> dict[str, Any]:
    """Write a slot."""
    return {"name": name, "ValueList": {"Value": list(values)}}


def write_text(value: str) -> dict[str, Any]:
    """Write a Name."""
    return {"LocalizedString": [{"value": value}]}


def write_code(owner: str, scheme: str, code: str, coding: str) -> dict[str, Any]:
    """Write a code as a classification."""
    return {
        "id": f"code-{owner}-{scheme[:8]}",
        "classifiedObject": owner,
        "classificationScheme": f"urn:uuid:{scheme}",
        "nodeRepresentation": code,
        "Slot": [write_slot("codingScheme", coding)],
        "Name": write_text(code),
    }


def write_identifier(owner: str, scheme: str, value: str, name: str) -> dict[str, Any]:
    """Write an external identifier."""
    return {
        "id": f"id-{owner}-{scheme[:8]}",
        "registryObject": owner,
        "identificationScheme": f"urn:uuid:{scheme}",
        "value": value,
        "Name": write_text(name),
    }


def write_entry(symbol: str, unique_id: str, patient: str, *slots: dict[str, Any]) -> dict[str, Any]:
    """Write a document entry."""
    codes = (
        ("41a5887f-8865-4c09-adf7-e362475b143a", "REPORTS", "1.3.6.1.4.1.19376.1.2.6.1"),
        ("f4f85eac-e6cb-4883-b524-f2705394840f", "N", "2.16.840.1.113883.5.25"),
        ("a09d5840-386c-46f2-b5ad-9c3699a4309d", "urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3"),
        ("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "22232009", "2.16.840.1.113883.6.96"),
        ("cccf5598-8b07-4b77-a05e-ae952c785ead", "394914008", "2.16.840.1.113883.6.96"),
        ("f0306f51-975f-434e-a61c-c59651d33983", "18748-4", "2.16.840.1.113883.6.1"),
    )
    patient_scheme, unique_scheme = (
        "58a6f841-87b3-4a3e-92fd-a8ffeff98427",
        "2e82c1f6-a085-4c72-9da3-8640a32e42ab",
    )
    return {
        "ExtrinsicObject": {
            "id": symbol,
            "mimeType": "application/pdf",
            "objectType": "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1",
            "Slot": [
                write_slot("creationTime", "20260301"),
                write_slot("languageCode", "sv-SE"),
                write_slot("sourcePatientId", patient),
                *slots,
            ],
            "Name": write_text("Utlåtande"),
            "Classification": [write_code(symbol, *code) for code in codes],
            "ExternalIdentifier": [
                write_identifier(symbol, patient_scheme, patient, "XDSDocumentEntry.patientId"),
                write_identifier(symbol, unique_scheme, unique_id, "XDSDocumentEntry.uniqueId"),
            ],
        }
    }


def write_set(unique_id: str, patient: str, symbol: str = "SubmissionSet01") -> dict[str, Any]:
    """Write a submission set."""
    names = {
        "6b5aea1a-874d-4603-a4bc-96a0a7b38446": (patient, "XDSSubmissionSet.patientId"),
        "554ac39e-e3fe-47fe-b233-965d2a147832": ("1.2.3.4.6", "XDSSubmissionSet.sourceId"),
        "96fdda7c-d067-4183-912e-bf5ee74998a8": (unique_id, "XDSSubmissionSet.uniqueId"),
    }
    content = ("aa543740-bdda-424e-8c96-df4873be8500", "18748-4", "2.16.840.1.113883.6.1")
    return _write_package(
        symbol,
        "a54d6aa5-d40d-43f9-88c5-b4633d873bdd",
        [write_code(symbol, *content)],
        [write_identifier(symbol, scheme, *pair) for scheme, pair in names.items()],
        [write_slot("submissionTime", "20260302101112")],
    )


def write_folder(unique_id: str, patient: str, symbol: str = "Folder01") -> dict[str, Any]:
    """Write a folder."""
    names = {
        "f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a": (patient, "XDSFolder.patientId"),
        "75df8f67-9973-4fbe-a900-df66cefecc5a": (unique_id, "XDSFolder.uniqueId"),
    }
    kind = ("1ba97051-7806-41a8-a48b-8fce7af683c5", "18748-4", "2.16.840.1.113883.6.1")
    return _write_package(
        symbol,
        "d9d542f3-6cc4-48b6-8870-ea235fbc94c2",
        [write_code(symbol, *kind)],
        [write_identifier(symbol, scheme, *pair) for scheme, pair in names.items()],
        [],
    )


def write_link(kind: str, source: str, target: str, *slots: dict[str, Any]) -> dict[str, Any]:
    """Write an association; `kind` is its type in full."""
    return {
        "Association": {
            "id": f"link-{source}-{target}"[:90],
            "associationType": kind,
            "sourceObject": source,
            "targetObject": target,
            "Slot": list(slots),
        }
    }


def _write_package(
    symbol: str, node: str, codes: list[Any], identifiers: list[Any], slots: list[Any]
) -> dict[str, Any]:
    classified = {
        "id": f"node-{symbol}",
        "classifiedObject": symbol,
        "classificationNode": f"urn:uuid:{node}",
    }
    return {
        "RegistryPackage": {
            "id": symbol,
            "Slot": slots,
            "Name": write_text(symbol),
            "Classification": [classified, *codes],
            "ExternalIdentifier": identifiers,
        }
    }


def text_of(envelope: Any) -> bytes:
    """Return an envelope as it is sent."""
    return bytes(etree.tostring(envelope))
