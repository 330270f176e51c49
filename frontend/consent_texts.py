"""The text that a patient is read before a consent is registered; the version is kept with the consent.

A text is never edited: a new one gets a new version, and the old ones stay, so that what was read can be looked up.
"""

from django.utils.translation import gettext as _

CURRENT = "2026-1"


def read_consent_text() -> str:
    """Return the current text in the language of the page."""
    return _(
        "Other care providers may hold images and reports about you. With your consent, those who take part in "
        "your care here may read them when your care needs it. You can withdraw the consent at any time, and "
        "every reading is logged: you can ask who has read."
    )
