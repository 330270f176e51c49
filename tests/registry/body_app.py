"""A WSGI application that tells what our readers made of a body; served by a real server in a test."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from registry.wire.multipart_related import MalformedMultipart, MultipartReader
from registry.wire.request_body import RequestBody, TruncatedBody


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read a multipart body with boundary b0; the verdict also goes to the file that X-Verdict names."""
    body = RequestBody(environ)
    verdict: dict[str, Any] = {"announced": body.announced_bytes, "parts": [], "error": None}
    reader = MultipartReader(body.read, b"b0")
    try:
        for part in reader:
            verdict["parts"].append(sum(len(piece) for piece in part.chunks()))
        body.verify_length()
    except (TruncatedBody, MalformedMultipart) as error:
        verdict["error"] = type(error).__name__
    verdict |= {"complete": reader.complete, "received": body.received_bytes}
    answer = json.dumps(verdict).encode()
    target = Path(environ["HTTP_X_VERDICT"])
    target.with_suffix(".part").write_bytes(answer)
    target.with_suffix(".part").rename(target)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
