"""What a registry transaction answers: its status and what was wrong.

Standard: IHE ITI TF-3 4.2.4
"""

from collections.abc import Sequence

from lxml import etree

from registry.ihe.ebrim_names import RS
from registry.ihe.xml import Element
from registry.submission import RegistryError

SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
FAILURE = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"
BUSY = RegistryError("XDSRegistryBusy", "the registry is busy; nothing of the request was kept, try again")
SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"


def make_response(errors: Sequence[RegistryError]) -> Element:
    """Make the `rs:RegistryResponse` of what succeeded, with warnings, or failed, with errors."""
    failed = any(not error.is_warning for error in errors)
    response = etree.Element(
        f"{{{RS}}}RegistryResponse", nsmap={"rs": RS}, status=FAILURE if failed else SUCCESS
    )
    add_errors(response, errors)
    return response


def add_errors(response: Element, errors: Sequence[RegistryError]) -> None:
    """Add the list of errors and warnings, if there are any."""
    if not errors:
        return
    worst = "Error" if any(not error.is_warning for error in errors) else "Warning"
    listed = etree.SubElement(response, f"{{{RS}}}RegistryErrorList", highestSeverity=SEVERITY + worst)
    for error in errors:
        item = etree.SubElement(
            listed,
            f"{{{RS}}}RegistryError",
            errorCode=error.code,
            codeContext=error.context,
            severity=SEVERITY + ("Warning" if error.is_warning else "Error"),
        )
        if error.location:
            item.set("location", error.location)
