"""The clinician portal: pages, templates, static files. May import repository, registry and access."""
