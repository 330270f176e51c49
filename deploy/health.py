"""Is it alive, can it serve, and a few numbers for the monitoring. No patient, no study in any of them."""

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from access.audit_spool import count_spooled
from access.audit_state import count_unsealed, count_unshipped
from access.authentication import Unauthenticated, authenticate
from registry.harmonise.coverage import read_coverage
from registry.models import Change, Conflict
from repository.delivery.operating.figures import read_figures
from repository.models import Damage, Delivery, Pack
from repository.objects.selection import open_store
from repository.xds.backlog import read_backlog


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that the process runs."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer whether database and object store can be reached."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        next(iter(open_store().keys("packs/")), None)
    except (DatabaseError, OSError, ImproperlyConfigured) as error:
        return HttpResponse(f"not ready: {type(error).__name__}\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer counts in the text format of Prometheus; for systems with a token only."""
    try:
        actor = authenticate(request)
    except Unauthenticated as error:
        headers = {"WWW-Authenticate": 'Bearer realm="samsyn"'}
        return HttpResponse(f"{error}\n", status=401, headers=headers, content_type="text/plain")
    if actor.kind != "system":
        return HttpResponse("for systems only\n", status=403, content_type="text/plain")
    numbers = {
        'samsyn_packs{state="live"}': Pack.objects.filter(state=Pack.LIVE).count(),
        'samsyn_packs{state="condemned"}': Pack.objects.filter(state=Pack.CONDEMNED).count(),
        "samsyn_damage_open": Damage.objects.filter(mended_at=None).count(),
        "samsyn_conflicts_open": Conflict.objects.filter(resolved_at__isnull=True).count(),
        "samsyn_audit_unsealed": count_unsealed(),
        "samsyn_audit_unshipped": count_unshipped(),
        "samsyn_audit_spooled": count_spooled(),
        "samsyn_changes_unnumbered": Change.objects.filter(position__isnull=True).count(),
    }
    for state in ("ready", "leased", "sending", "delivered", "dead"):
        numbers[f'samsyn_deliveries{{state="{state}"}}'] = Delivery.objects.filter(state=state).count()
    backlog = read_backlog()
    numbers['samsyn_publications{state="waiting"}'] = backlog.waiting
    numbers['samsyn_publications{state="failed"}'] = backlog.failed
    numbers['samsyn_publication_oldest_seconds{state="waiting"}'] = round(backlog.oldest_waiting_s)
    numbers['samsyn_publication_oldest_seconds{state="failed"}'] = round(backlog.oldest_failed_s)
    for source in read_coverage():
        label = f'source="{source.hsa_id}"'
        numbers[f"samsyn_harmonised_studies{{{label}}}"] = source.studies
        numbers[f"samsyn_harmonised_with_procedure{{{label}}}"] = source.with_procedure
        numbers[f"samsyn_harmonised_with_region{{{label}}}"] = source.with_region
        numbers[f"samsyn_unmapped_words{{{label}}}"] = source.open_words
    for figure in read_figures():
        labels = {"destination": figure.destination, "state": figure.state}
        told = ",".join(f'{name}="{value}"' for name, value in labels.items() if value)
        numbers[f"samsyn_{figure.name}{{{told}}}" if told else f"samsyn_{figure.name}"] = round(figure.value)
    body = "".join(f"{name} {value}\n" for name, value in numbers.items())
    return HttpResponse(body, content_type="text/plain; version=0.0.4")
