"""One region with one patient, and a person who is logged in."""

from dataclasses import dataclass

import pytest
from django.test import Client

from access import audit
from access.models import User
from registry.models import Patient, Series, Study
from tests.frontend import factory


@dataclass(frozen=True, slots=True)
class World:
    """What the pages of these tests show."""

    region: factory.Region
    person: User
    patient: Patient
    study: Study
    older: Study
    series: Series
    document: Series

    @property
    def pages(self) -> dict[str, str]:
        """Every page that a person reaches, by name."""
        study = f"/studies/{self.study.study_instance_uid}/"
        return {
            "start": "/",
            "search": "/search/",
            "assignment": "/assignment/",
            "patient": f"/patients/{self.patient.pk}/",
            "study": study,
            "stepper": f"{study}series/{self.series.series_instance_uid}/",
            "document": f"{study}series/{self.document.series_instance_uid}/",
            "logout": "/accounts/logout/",
            "missing": "/no-such-page/",
        }


@pytest.fixture(autouse=True)
def forget_touches() -> None:
    """Start with an access log that has seen nothing: its windows outlive a test's rolled back rows."""
    audit._touches.clear()


@pytest.fixture
def world(db: None) -> World:
    """A patient of the own care provider with a new CT and an older ultrasound of another hospital."""
    region = factory.make_region()
    person = factory.make_person(region.lund)
    patient = factory.make_patient()
    study = factory.make_study(patient, region.lund, study_description="DT thorax uppföljning")
    series = factory.make_series(study, (None, None, 3))
    document = factory.make_document_series(study)
    factory.make_report(study, ("preliminary", "Oklar förtätning."), ("final", "Oförändrad nodulus."))
    factory.make_order(study, region.lund, "Tillväxt?")
    factory.make_delivery(study, region.ystad, "ready", "The receiver does not answer.")
    older = factory.make_study(
        patient,
        region.ystad,
        "US",
        study_date="20240517",
        study_description="UL buk",
        accession_number="B2",
    )
    factory.make_series(older, (None,), modality="US")
    factory.choose_unit(person, patient, region.ystad)
    return World(region, person, patient, study, older, series, document)


@pytest.fixture
def portal(world: World) -> Client:
    """A browser without scripts, logged in, in English."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(world.person, backend="django.contrib.auth.backends.ModelBackend")
    return client
