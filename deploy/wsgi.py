"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings.embedded")
application = get_wsgi_application()

from registry.affinity import affinity  # noqa: E402 (needs the settings)

affinity()  # a broken affinity domain stops the server here, and not the first caller who needs it
