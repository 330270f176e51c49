"""What the description in OpenAPI says of credentials, and of lists."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import inline_serializer

from deploy.api.forms import Form


class ActorScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A bearer token, or a session with `X-CSRFToken` where something is changed."""

    target_class = "access.rest.ActorAuthentication"
    name = ["token", "session"]

    def get_security_definition(self, auto_schema: Any) -> Any:
        """Describe the two."""
        return [
            {"type": "http", "scheme": "bearer"},
            {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        ]


def list_of(form: type[Form]) -> Any:
    """Describe the answer that `answer_list` gives."""
    return inline_serializer(f"{form.__name__}s", {"results": form(many=True)})
