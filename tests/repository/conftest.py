"""An object store of its own for each test, clients of two providers, and requests as a vendor system sends them."""

import json
from dataclasses import dataclass

import pytest
from django.test import Client

from access.authentication import issue_token
from access.models import ApiClient, Department
from tests.registry.factories import make_department
from tests.support import dicom


@dataclass(frozen=True, slots=True)
class Vendor:
    """A system with a token, and what it sends."""

    client: Client
    department: Department | None
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each of its requests."""
        return {"Authorization": f"Bearer {self.token}"}

    def store(self, *files: bytes, path: str = "/dicom-web/studies", **headers: str):
        """POST the files as one multipart body; returns the response."""
        boundary = dicom.make_boundary()
        return self.client.post(
            path,
            dicom.multipart_body(files, boundary),
            content_type=dicom.content_type(boundary),
            headers={**self.headers, **headers},
        )

    def get(self, path: str, accept: str = "*/*", **options):
        """GET a path below /dicom-web."""
        return self.client.get(f"/dicom-web{path}", headers={**self.headers, "Accept": accept}, **options)


def make_vendor(department: Department | None, name: str, scopes=("store", "read")) -> Vendor:
    """Make a client of a department, or a region-wide one."""
    client = ApiClient.objects.create(name=name, department=department, region_wide=department is None)
    return Vendor(Client(), department, issue_token(client, scopes).text)


@pytest.fixture(autouse=True)
def objects_root(settings, tmp_path):
    """Let every test write packs in a folder of its own."""
    settings.OBJECTS_ROOT = tmp_path / "objects"
    settings.SPOOL_ROOT = tmp_path / "spool"
    return tmp_path / "objects"


@pytest.fixture
def department(db) -> Department:
    """A department of one provider."""
    return make_department()


@pytest.fixture
def vendor(department) -> Vendor:
    """The system of that department."""
    return make_vendor(department, "pacs-a")


@pytest.fixture
def foreigner(db) -> Vendor:
    """The system of a department of another provider."""
    return make_vendor(make_department(), "pacs-b")


def outcome(response) -> dict[str, list]:
    """Return the three sequences of a store response by name, empty when absent."""
    module = json.loads(response.content)
    tags = {"referenced": "00081199", "failed": "00081198", "other": "0008119A"}
    return {name: module.get(tag, {}).get("Value", []) for name, tag in tags.items()}
