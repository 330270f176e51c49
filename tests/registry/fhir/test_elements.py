"""The table of elements says what R4 says: names, types and how often, by the models of fhirclient."""

from importlib import import_module

import pytest

from registry.fhir.elements import _read_table, elements_of, is_resource

NAMES = {"Reference": "FHIRReference"}


def find_model(name):
    """Return fhirclient's model of a type; those of backbone elements lie beside their resource's."""
    for length in range(len(name), 2, -1):
        try:
            module = import_module(f"fhirclient.models.{name[:length].lower()}")
        except ModuleNotFoundError:
            continue
        if hasattr(module, name):
            return getattr(module, name)
    return None


@pytest.mark.parametrize("name", sorted(_read_table()))
def test_a_type_has_the_elements_of_r4(name):
    model = find_model(name)
    assert model is not None, name
    theirs = {prop[1]: (prop[2], prop[3]) for prop in model().elementProperties()}
    ours = elements_of(name)
    assert set(ours) == set(theirs)
    for element in ours.values():
        kind, repeats = theirs[element.name]
        assert element.repeats == repeats, element
        if element.kind == "complex":
            assert kind.__name__ == NAMES.get(element.type, element.type), element
        elif element.kind == "boolean":
            assert kind is bool, element
        elif element.kind == "number":
            assert kind in (int, float), element
        else:
            assert kind not in (bool, int, float), element


def test_resources_are_known_from_types():
    assert is_resource("Consent")
    assert not is_resource("Identifier")
    assert not is_resource("Nonsense")
