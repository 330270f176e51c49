"""All routes, listed once."""

from django.contrib import admin
from django.urls import include, path

from deploy import conflicts, health
from registry.fhir.doors import DOORS
from registry.fhir.urls import make_urls
from repository.dicomweb import wado_uri
from repository.dicomweb.status import dicomweb_view
from repository.dicomweb.urls import base
from repository.fhir.urls import base as fhir_base
from repository.fhir.urls import document_urls, with_documents

urlpatterns = [
    path("dicom-web/", include("repository.dicomweb.urls")),
    path("dicom-web", base),
    path("wado", dicomweb_view(GET=wado_uri.retrieve_uri)),
    path("api/v1/conflicts", dicomweb_view(GET=conflicts.show_conflicts)),
    path("api/v1/conflicts/<str:key>", dicomweb_view(GET=conflicts.show_conflict)),
    path("api/v1/", include("deploy.api.urls")),
    path("fhir/", include(document_urls)),
    path("fhir/", include(make_urls(with_documents(DOORS)))),
    path("fhir", fhir_base),
    path("ihe/", include("registry.ihe.urls")),
    path("ihe/", include("repository.xds.urls")),
    path("accounts/", include("deploy.account_urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("", include("frontend.urls")),
]
