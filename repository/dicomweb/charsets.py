"""In which character set a text leaves.

Standard: PS3.18 8.8
"""

import re
from types import MappingProxyType

from django.http import HttpRequest

UTF_8 = "utf-8"

# Names of IANA and of DICOM (PS3.18 D) for what texts can be written in here.
_CODECS = MappingProxyType(
    {
        "utf-8": UTF_8,
        "iso_ir 192": UTF_8,
        "iso-8859-1": "iso-8859-1",
        "iso_ir 100": "iso-8859-1",
        "iso-8859-15": "iso-8859-15",
        "windows-1252": "windows-1252",
        "us-ascii": "us-ascii",
        "iso_ir 6": "us-ascii",
    }
)
_ENTRY = re.compile(r'\s*"?([^";,]{1,40}?)"?\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$')


class UnencodableText(ValueError):
    """The text has letters that the only acceptable character set lacks."""


def choose_charset(request: HttpRequest) -> str:
    """Return the best character set of the `charset` parameter, else of Accept-Charset, else UTF-8.

    What is not known here is not looked at.

    Standard: PS3.18 8.8.5
    """
    for wanted in (request.GET.get("charset", ""), request.headers.get("Accept-Charset", "")):
        best, weight = "", 0.0
        for entry in wanted.split(",")[:50]:
            matched = _ENTRY.match(entry)
            if matched is None:
                continue
            name = _CODECS.get(matched[1].lower(), UTF_8 if matched[1] == "*" else "")
            q = float(matched[2] or 1)
            if name and q > weight:
                best, weight = name, q
        if best:
            return best
    return UTF_8


def encode_text(text: str, charset: str, *, is_html: bool) -> bytes:
    """Return a text in a character set; in HTML, letters that it lacks become references.

    Raises
    ------
    UnencodableText
        Plain text has such letters.
    """
    if is_html:
        declared = text.replace('<meta charset="utf-8">', f'<meta charset="{charset}">', 1)
        return declared.encode(charset, "xmlcharrefreplace")
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        raise UnencodableText(
            f"the text has letters that {charset} lacks, at character {error.start}: ask for utf-8"
        ) from error
