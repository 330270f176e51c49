"""Modalities in the letters that people use, with the DICOM code beside."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

WITHOUT_IMAGES = frozenset({"SR", "KO", "PR", "DOC", "AU", "ECG", "HD", "REG", "RTPLAN", "RTRECORD", "PLAN"})


@dataclass(frozen=True, slots=True)
class Badge:
    """A modality: letters for the eye, name and codes for the tooltip and the screen reader."""

    letters: str
    title: str
    code: str


def make_badge(code: str) -> Badge:
    """Make the badge of one modality code.

    Standard: PS3.3 C.7.3.1.1.1
    """
    letters, name = _words().get(code, (code or "?", ""))
    title = f"{name} ({code})" if name else code or _("modality unknown")
    return Badge(letters, title, code)


def make_study_badge(codes: Iterable[str]) -> Badge:
    """Make the badge of a study: its first modality with images, all codes in the tooltip."""
    listed = [str(code) for code in codes if code]
    if not listed:
        return make_badge("")
    main = next((code for code in listed if code not in WITHOUT_IMAGES), listed[0])
    badge = make_badge(main)
    others = [code for code in listed if code != main]
    title = " + ".join([badge.title, *others])
    return Badge(badge.letters, title, main)


def _words() -> dict[str, tuple[str, str]]:
    x_ray = (pgettext("modality", "XR"), _("Radiography"))
    return {
        "CT": (pgettext("modality", "CT"), _("Computed tomography")),
        "MR": (pgettext("modality", "MR"), _("Magnetic resonance")),
        "US": (pgettext("modality", "US"), _("Ultrasound")),
        "CR": x_ray,
        "DX": x_ray,
        "MG": (pgettext("modality", "MG"), _("Mammography")),
        "PT": (pgettext("modality", "PET"), _("Positron emission tomography")),
        "NM": (pgettext("modality", "NM"), _("Nuclear medicine")),
        "XA": (pgettext("modality", "XA"), _("Angiography")),
        "RF": (pgettext("modality", "RF"), _("Fluoroscopy")),
        "IO": (pgettext("modality", "IO"), _("Intraoral radiography")),
        "SR": (pgettext("modality", "SR"), _("Structured report")),
        "DOC": (pgettext("modality", "PDF"), _("Document")),
        "KO": (pgettext("modality", "KO"), _("Key object selection")),
        "PR": (pgettext("modality", "PR"), _("Presentation state")),
    }
