"""A region with one department, clients with tokens, and a way to ask that holds every answer to other people's models."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from access.authentication import issue_token
from access.models import ApiClient, Department
from tests.registry.factories import make_department
from tests.registry.fhir.oracle import check_resource

Ask = Callable[..., Any]


@pytest.fixture
def department(db) -> Department:
    return make_department()


@pytest.fixture
def token_of() -> Callable[..., str]:
    """Return a function that makes a client of a department (none: of the region) and gives its token."""

    def make(department: Department | None, *scopes: str) -> str:
        number = ApiClient.objects.count()
        client = ApiClient.objects.create(
            name=f"client {number}", department=department, region_wide=department is None
        )
        return issue_token(client, scopes).text

    return make


@pytest.fixture
def ask(client: Client, department: Department, token_of) -> Ask:
    """Return a function that asks below /fhir/, by default as a reader of the department."""
    reader = token_of(department, "read")

    def send(path: str, method: str = "GET", *, token: str | None = reader, body: Any = b"", **headers: str):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        content_type = sent.pop("Content-Type", "application/fhir+json")
        answer = client.generic(method, f"/fhir/{path}", body, content_type, headers=sent)
        if not answer.streaming and answer.content and "json" in answer.headers["Content-Type"]:
            check_resource(answer.json())
        return answer

    return send
