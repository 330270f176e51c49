"""Write registry/fhir/elements.txt: the elements of each FHIR type in the order of the specification.

The order is that of the models of fhir.resources (R4B, which for these types is R4);
tests/registry/fhir/test_elements.py holds names, types and cardinalities to the R4 models of fhirclient.
"""

import re
import typing
from importlib import import_module
from pathlib import Path

from fhir.resources.R4B import get_fhir_model_class

TARGET = Path(__file__).resolve().parents[1] / "registry" / "fhir" / "elements.txt"
RESOURCES = (
    "AuditEvent",
    "Basic",
    "Binary",
    "Bundle",
    "CapabilityStatement",
    "Composition",
    "Consent",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "ImagingStudy",
    "List",
    "Location",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Parameters",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "ServiceRequest",
    "Subscription",
)
NOT_IN_R4 = r"abc\.(CodeableReference|RatioRange)Type"
HEAD = """\
# The elements of FHIR R4 (4.0.1) types in the order of the specification: scripts/list_fhir_elements.py writes this.
# A line is a type, `@` before a resource, and its elements: `*` repeats, `:Type` complex, `?` boolean, `#` number,
# `=` an XML attribute, `~` XHTML, `:Resource` any resource.
"""


def main() -> None:
    """Write the table anew."""
    lines: dict[str, str] = {}
    waiting = ["Element", *RESOURCES]
    while waiting:
        name = waiting.pop()
        if name in lines or name == "Resource":
            continue
        elements = list(list_elements(name))
        lines[name] = (
            f"{'@' if name in RESOURCES else ''}{name}: {' '.join(element for element, _ in elements)}"
        )
        waiting += [kind for _, kind in elements if kind]
    TARGET.write_text(HEAD + "\n".join(lines[name] for name in sorted(lines)) + "\n", encoding="utf-8")


def list_elements(name: str) -> typing.Iterator[tuple[str, str]]:
    """Yield each element of a type as the table writes it, and the complex type it has."""
    model = find_model(name)
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    for element in model.elements_sequence():
        annotation = str(fields[element].annotation)
        if re.search(NOT_IN_R4, annotation):
            continue
        kind = (re.findall(r"abc\.(\w+)Type\b", annotation) or [""])[0]
        mark = "*" if "List[" in annotation else ""
        if kind:
            mark += f":{kind}"
        elif (element == "id" and name not in RESOURCES) or (name, element) == ("Extension", "url"):
            mark += "="
        elif "Xhtml" in annotation:
            mark += "~"
        elif re.search(r"\bbool\b", annotation):
            mark += "?"
        elif re.search(r"\b(int|Decimal)\b", annotation):
            mark += "#"
        yield element + mark, kind
    if name == "Extension":  # the last kind of value, which these models leave out
        yield "valueMeta:Meta", "Meta"


def find_model(name: str) -> typing.Any:
    """Return the model of a type; those of backbone elements lie in the module of their resource."""
    for resource in (name, *sorted(RESOURCES, key=len, reverse=True), "Timing", "Dosage", "DataRequirement"):
        if name.startswith(resource):
            try:
                module = import_module(f"fhir.resources.R4B.{resource.lower()}")
            except ModuleNotFoundError:
                continue
            if hasattr(module, name):
                return getattr(module, name)
    return get_fhir_model_class(name)


if __name__ == "__main__":
    main()
