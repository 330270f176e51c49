"""Manifests of studies with thousands of images, read back."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from registry.manifest.fhir_reading import read_bundle
from registry.manifest.kos_reading import UnreadableManifest
from registry.manifest.model import InstanceContent
from repository.xds.manifests import make_manifests, read_key_object
from tests.registry.manifest.contents import make_content

CT = "1.2.840.10008.5.1.4.1.1.2"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def make_large(number_of_instances):
    content = make_content()
    first = content.series[0]
    instances = tuple(InstanceContent(CT, f"1.2.3.4.{n}", n) for n in range(1, number_of_instances + 1))
    return replace(content, series=(replace(first, instances=instances),))


def test_every_form_of_ten_thousand_instances_is_read_back():
    content = make_large(10_000)
    made = {one.maker: one.body for one in make_manifests(content, NOW, "temporary")}
    assert read_key_object(made["mado"])[0] == content
    assert read_key_object(made["kos"])[0].number_of_instances == 10_000
    assert read_bundle(orjson.loads(made["fhir"]))[0] == content


def test_more_than_a_study_can_be_is_refused():
    made = {one.maker: one.body for one in make_manifests(make_large(20_000), NOW, "temporary")}
    with pytest.raises(UnreadableManifest, match="more than 500000 elements"):
        read_key_object(made["mado"])
