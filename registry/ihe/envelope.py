"""The SOAP envelope: headers that are understood, the one body, and the same for the answer.

Standard: W3C SOAP 1.2 part 1, WS-Addressing 1.0 core and SOAP binding, IHE ITI TF-2x appendix V
"""

import uuid
from dataclasses import dataclass

from lxml import etree

from registry.ihe.faults import SoapFault, invalid_header, missing_header, sender_fault
from registry.ihe.namespaces import ANONYMOUS, NEXT, SOAP, SOAP_1_1, ULTIMATE_RECEIVER, WSA, XML
from registry.ihe.xml import Element

_ENVELOPE, _HEADER, _BODY = (f"{{{SOAP}}}{name}" for name in ("Envelope", "Header", "Body"))
_UNDERSTOOD = frozenset(
    f"{{{WSA}}}{name}"
    for name in (
        "Action",
        "To",
        "MessageID",
        "ReplyTo",
        "FaultTo",
        "From",
        "RelatesTo",
        "ReferenceParameters",
    )
)
_OURS = ("", ULTIMATE_RECEIVER, NEXT)
_PREFIXES = {"soap": SOAP, "wsa": WSA}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request: what is to be done (`action`), what its answer refers to, and the one element of its body."""

    action: str
    message_id: str
    body: Element


def read_envelope(root: Element, action_hint: str = "") -> Envelope:
    """Read an envelope.

    Parameters
    ----------
    action_hint
        The action of the Content-Type, for a message without the header; the header decides.

    Raises
    ------
    SoapFault
        Another version of SOAP, a header that has to be understood and is not, or no usable action or body.
    """
    if root.tag != _ENVELOPE:
        raise _refuse_root(root)
    headers = root.find(_HEADER)
    blocks = [block for block in headers if isinstance(block.tag, str)] if headers is not None else []
    _check_understood(blocks)
    action = _read_only(blocks, "Action") or action_hint.strip()
    if not action:
        raise missing_header("Action")
    for name in ("ReplyTo", "FaultTo"):
        _check_anonymous(blocks, name)
    return Envelope(action, _read_only(blocks, "MessageID"), _read_body(root))


def find_message_id(root: Element) -> str:
    """Return the MessageID of a message that may be wrong in everything else; empty if there is none."""
    found = root.find(f"{_HEADER}/{{{WSA}}}MessageID")
    return (found.text or "").strip() if found is not None else ""


def _refuse_root(root: Element) -> SoapFault:
    name = etree.QName(root)
    if name.localname != "Envelope":
        return sender_fault(f"the root element is {name.localname[:80]}, not a SOAP envelope")
    version = "1.1" if name.namespace == SOAP_1_1 else f"of the namespace {str(name.namespace)[:100]}"
    return SoapFault("VersionMismatch", f"the envelope is SOAP {version}; SOAP 1.2 is taken")


def _check_understood(blocks: list[Element]) -> None:
    unknown = tuple(
        block.tag
        for block in blocks
        if block.get(f"{{{SOAP}}}mustUnderstand", "").strip() in ("1", "true")
        and block.get(f"{{{SOAP}}}role", "").strip() in _OURS
        and block.tag not in _UNDERSTOOD
    )
    if unknown:
        names = ", ".join(etree.QName(tag).localname for tag in unknown)
        raise SoapFault(
            "MustUnderstand", f"header blocks are not understood: {names[:200]}", not_understood=unknown
        )


def _read_only(blocks: list[Element], name: str) -> str:
    found = [block for block in blocks if block.tag == f"{{{WSA}}}{name}"]
    if len(found) > 1:
        raise invalid_header(name, "InvalidCardinality", f"the header wsa:{name} comes {len(found)} times")
    return (found[0].text or "").strip() if found else ""


def _check_anonymous(blocks: list[Element], name: str) -> None:
    for block in blocks:
        if block.tag == f"{{{WSA}}}{name}":
            address = (block.findtext(f"{{{WSA}}}Address") or "").strip()
            if address not in ("", ANONYMOUS):
                raise invalid_header(
                    name,
                    "OnlyAnonymousAddressSupported",
                    f"wsa:{name} names another address; the answer goes back on the same connection only",
                )


def _read_body(root: Element) -> Element:
    bodies = root.findall(_BODY)
    if len(bodies) != 1:
        raise sender_fault(f"the envelope has {len(bodies)} bodies, not one")
    elements = [child for child in bodies[0] if isinstance(child.tag, str)]
    if len(elements) != 1:
        raise sender_fault(f"the body holds {len(elements)} elements, not one")
    return elements[0]


def make_envelope(action: str, relates_to: str, body: Element) -> Element:
    """Make the envelope of an answer around its body; the body is moved into it."""
    envelope, holder = _start_envelope(action, relates_to)
    holder.append(body)
    return envelope


def make_fault(fault: SoapFault, relates_to: str = "") -> Element:
    """Make the envelope of a fault."""
    envelope, holder = _start_envelope(fault.action, relates_to)
    header = envelope.find(_HEADER)
    for position, name in enumerate(fault.not_understood):
        qualified = etree.QName(name)
        block = etree.Element(
            f"{{{SOAP}}}NotUnderstood", nsmap={"q": qualified.namespace} if qualified.namespace else {}
        )
        block.set("qname", f"q:{qualified.localname}" if qualified.namespace else qualified.localname)
        header.insert(position, block)
    if fault.code == "VersionMismatch":
        upgrade = etree.Element(f"{{{SOAP}}}Upgrade")
        etree.SubElement(upgrade, f"{{{SOAP}}}SupportedEnvelope").set("qname", "soap:Envelope")
        header.insert(0, upgrade)
    holder.append(_write_fault(fault))
    return envelope


def _start_envelope(action: str, relates_to: str) -> tuple[Element, Element]:
    envelope = etree.Element(_ENVELOPE, nsmap=_PREFIXES)
    header = etree.SubElement(envelope, _HEADER)
    stated = etree.SubElement(header, f"{{{WSA}}}Action")
    stated.set(f"{{{SOAP}}}mustUnderstand", "true")
    stated.text = action
    etree.SubElement(header, f"{{{WSA}}}MessageID").text = f"urn:uuid:{uuid.uuid4()}"
    etree.SubElement(header, f"{{{WSA}}}To").text = ANONYMOUS
    if relates_to:
        etree.SubElement(header, f"{{{WSA}}}RelatesTo").text = relates_to
    return envelope, etree.SubElement(envelope, _BODY)


def _write_fault(fault: SoapFault) -> Element:
    element = etree.Element(f"{{{SOAP}}}Fault", nsmap=_PREFIXES)
    code = etree.SubElement(element, f"{{{SOAP}}}Code")
    etree.SubElement(code, f"{{{SOAP}}}Value").text = f"soap:{fault.code}"
    for name in fault.subcodes:
        code = etree.SubElement(code, f"{{{SOAP}}}Subcode")
        etree.SubElement(code, f"{{{SOAP}}}Value").text = f"wsa:{name}"
    reason = etree.SubElement(etree.SubElement(element, f"{{{SOAP}}}Reason"), f"{{{SOAP}}}Text")
    reason.set(f"{{{XML}}}lang", "en")
    reason.text = _without_controls(fault.reason)
    if fault.problem_action or fault.problem_header:
        detail = etree.SubElement(element, f"{{{SOAP}}}Detail")
        if fault.problem_action:
            problem = etree.SubElement(detail, f"{{{WSA}}}ProblemAction")
            etree.SubElement(problem, f"{{{WSA}}}Action").text = _without_controls(fault.problem_action)
        else:
            named = etree.SubElement(detail, f"{{{WSA}}}ProblemHeaderQName")
            named.text = f"wsa:{fault.problem_header}"
    return element


def _without_controls(text: str) -> str:
    """Replace what XML cannot carry."""
    return "".join(
        c
        if c in "\t\n\r" or (" " <= c < "\ud800") or ("\ue000" <= c < "\ufffe") or c > "\uffff"
        else "\ufffd"
        for c in text
    )
