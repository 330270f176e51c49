"""Answers as a strict client reads them, and the paths of files that were sent."""

import email
import io

from pydicom import dcmread


def body_of(response) -> bytes:
    """Return the whole body of an answer."""
    return b"".join(response.streaming_content) if response.streaming else response.content


def parts_of(response):
    """Return the parts of a multipart answer as the standard library's MIME reader sees them."""
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    return email.message_from_bytes(head + body_of(response)).get_payload()


def path_of(file: bytes, level: str = "instance") -> str:
    """Return the path of a file's study, series or instance below the DICOMweb base."""
    ds = dcmread(io.BytesIO(file), stop_before_pixels=True)
    path = f"/studies/{ds.StudyInstanceUID}"
    if level == "study":
        return path
    path += f"/series/{ds.SeriesInstanceUID}"
    return path if level == "series" else f"{path}/instances/{ds.SOPInstanceUID}"
