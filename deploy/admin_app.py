"""Django's administration as an application, with our site."""

from django.contrib.admin.apps import AdminConfig as DjangoAdmin


class AdministrationConfig(DjangoAdmin):
    """What INSTALLED_APPS names in place of `django.contrib.admin`."""

    default_site = "deploy.administration.Administration"
    default = True
