"""SOAP as other systems speak it to the doors of the repository."""

import pytest

from tests.repository.conftest import Vendor, department, foreigner, objects_root, vendor  # noqa: F401
from tests.support.soap import Reply, make_package, read_response


@pytest.fixture
def send():
    """POST a message to a door as a vendor's system; returns the answer as others read it."""

    def post(vendor: Vendor, path: str, body: bytes, content_type: str) -> Reply:  # noqa: F811
        return read_response(
            vendor.client.post(path, body, content_type=content_type, headers=vendor.headers)
        )

    return post


@pytest.fixture
def ask(send):
    """POST an envelope as MTOM without attachments."""

    def post(vendor: Vendor, path: str, envelope: bytes) -> Reply:  # noqa: F811
        reply: Reply = send(vendor, path, *make_package(envelope))
        return reply

    return post
