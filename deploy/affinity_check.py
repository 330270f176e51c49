"""The affinity domain is looked at before anything starts: a broken one stops it, with every rule it breaks."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register

from registry.affinity import InvalidAffinity, affinity


@register()
def check_affinity_domain(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Read the file in force; one error for each broken rule, with file, place and what to do."""
    try:
        affinity()
    except InvalidAffinity as error:
        return [Error(f"{error.path}: {text}", id="samsyn.E001") for text in error.errors]
    return []
