"""People who keep the distribution of two departments, as the management API sees them."""

import json

import pytest
from django.test import Client

from access.authentication import SESSION_ASSIGNMENT
from access.models import User
from registry.models import Destination
from tests.registry.factories import make_department
from tests.support.people import give_assignment

API = "/api/v1"
KEEPS = ("keep_destinations", "keep_subscriptions", "replay")


class Keeper:
    """Somebody with a session in a department."""

    def __init__(self, department, *rights, is_staff=False):
        self.department = department
        self.user = User.objects.create(
            username=f"keeper-{User.objects.count()}", first_name="Kim", last_name="Krok", is_staff=is_staff
        )
        role = f"Keeper {self.user.pk}"
        self.assignment = give_assignment(self.user, department, role, rights)
        self.client = Client(headers={"accept-language": "en"})
        self.client.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")
        session = self.client.session
        session[SESSION_ASSIGNMENT] = self.assignment.pk
        session.save()

    def get(self, path, **query):
        """Ask, and return the status and what was answered."""
        return read(self.client.get(f"{API}/{path}", query))

    def send(self, method, path, **body):
        """Send a body, and return the status and what was answered."""
        request = getattr(self.client, method)
        return read(request(f"{API}/{path}", json.dumps(body, default=str), "application/json"))

    def post(self, path, **body):
        """Post a body."""
        return self.send("post", path, **body)


def read(response):
    """Return the status and the parsed answer."""
    return response.status_code, json.loads(response.content) if response.content else None


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    settings.STEP_UP = False
    settings.ALLOW_PRIVATE_DESTINATIONS = True


@pytest.fixture
def hospital(db):
    return make_department()


@pytest.fixture
def clinic(db):
    return make_department()


@pytest.fixture
def keeper(hospital):
    return Keeper(hospital, *KEEPS)


@pytest.fixture
def stranger(clinic):
    return Keeper(clinic, *KEEPS)


@pytest.fixture
def archive(hospital):
    return Destination.objects.create(
        department=hospital, name="PACS", url="http://127.0.0.1:1/dicom-web/studies"
    )
