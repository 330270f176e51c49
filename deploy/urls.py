"""All routes, listed once."""

from django.contrib import admin
from django.urls import include, path

from deploy import health
from repository.dicomweb.urls import base

urlpatterns = [
    path("dicom-web/", include("repository.dicomweb.urls")),
    path("dicom-web", base),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("", include("frontend.urls")),
]
