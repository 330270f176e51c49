"""House rules that no linter holds: directions of foreign keys, names of columns, what packages say."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.urls import resolve
from pydicom.datadict import dictionary_VR as vr_of
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from registry.attributes import ATTRIBUTES
from registry.models import Instance, Series, Study

PROJECT = Path(__file__).resolve().parents[1]
ORDER = ["access", "registry", "repository", "frontend", "deploy"]
MODELS = {"study": Study, "series": Series, "instance": Instance}
OURS = [model for model in apps.get_models() if model._meta.app_label in ORDER]


@pytest.mark.parametrize("model", OURS, ids=lambda m: m._meta.label)
def test_no_key_points_to_a_higher_package(model):
    own = ORDER.index(model._meta.app_label)
    for field in model._meta.get_fields():
        if field.is_relation and field.concrete and field.related_model._meta.app_label in ORDER:
            assert ORDER.index(field.related_model._meta.app_label) <= own, field


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: f"{a.level}-{a.keyword}")
def test_indexed_attributes_are_those_of_the_dictionary(attribute):
    tag = tag_for_keyword(attribute.keyword)
    assert f"{tag:08X}" == attribute.tag
    assert keyword_for_tag(tag) == attribute.keyword
    assert vr_of(tag) == attribute.vr
    columns = {field.name for field in MODELS[attribute.level]._meta.get_fields()}
    folded = f"{attribute.column}_folded" if attribute.matching == "name" else ""
    for column in filter(None, (attribute.column, folded)):
        assert column in columns
    if attribute.column and attribute.keyword != "AvailableTransferSyntaxUID":
        assert attribute.column == snake_case(attribute.keyword)


def snake_case(keyword: str) -> str:
    out = ""
    for index, char in enumerate(keyword):
        previous_is_lower = index and keyword[index - 1].islower()
        next_is_lower = index + 1 < len(keyword) and keyword[index + 1].islower()
        if (
            char.isupper()
            and index
            and (previous_is_lower or (next_is_lower and keyword[index - 1].isupper()))
        ):
            out += "_"
        out += char.lower()
    return out.replace("sopclasses", "sop_classes").replace("from_utc", "from_utc")


@pytest.mark.parametrize("package", ORDER)
def test_a_package_says_what_it_is_for_and_nothing_else(package):
    for path in (PROJECT / package).rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        is_model_index = path.parent.name == "models"
        assert ast.get_docstring(ast.parse(path.read_text())), path
        assert is_model_index or len(body) == 1, path


@pytest.mark.parametrize(
    "path",
    [
        "/dicom-web/studies",
        "/wado",
        "/fhir",
        "/fhir/metadata",
        "/accounts/login/",
        "/admin/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/",
    ],
)
def test_base_addresses_are_where_every_client_looks(path):
    assert resolve(path)


def test_files_stay_small_enough_to_hold_one_idea():
    long = {
        str(path.relative_to(PROJECT)): lines
        for package in ORDER
        for path in (PROJECT / package).rglob("*.py")
        if "migrations" not in path.parts and (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
