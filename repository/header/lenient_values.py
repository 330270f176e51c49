"""pydicom's values -> DICOM JSON values, by the same rules as the strict reader's.

Standard: PS3.18 F.2.3
"""

import struct
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from repository.header.text import TextDecoder
from repository.header.values import decimal_to_json, float_to_json, integer_to_json, name_to_json

_TEXT_VRS = frozenset(("LO", "SH", "UC", "LT", "ST", "UT", "UR"))
_INTEGER_VRS = frozenset(("SL", "SS", "SV", "UL", "US", "UV"))


def convert_element(element: DataElement, decoder: TextDecoder) -> tuple[str, list[Any]]:
    """Return VR and JSON values of a pydicom element that is neither binary nor a sequence.

    Raises
    ------
    ValueError, TypeError, struct.error
        If the value does not fit its VR; the caller then keeps the bytes.
    """
    vr, value = str(element.VR), element.value
    if vr == "US or SS":
        vr = "US"
    if isinstance(value, bytes):
        if vr != "US":
            raise ValueError("bytes")
        value = list(struct.unpack(f"<{len(value) // 2}H", value))
    if value is None or value == "":
        return vr, []
    items = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    values = [_convert_value(vr, item, decoder) for item in items]
    return vr, [] if values == [None] else values


def _convert_value(vr: str, value: Any, decoder: TextDecoder) -> Any:
    if value is None or value == "":
        return None
    if vr == "PN":
        return name_to_json(str(value).replace("\0", ""))
    if vr == "AT":
        return f"{int(value):08X}"
    if vr in ("FL", "FD"):
        return float_to_json(float(value))
    if vr in _INTEGER_VRS:
        return int(value)
    if vr == "DS":
        return decimal_to_json(str(value), decoder)
    if vr == "IS":
        return integer_to_json(str(value), decoder)
    text = str(value).replace("\0", "")
    return (text.rstrip(" ") if vr in _TEXT_VRS else text.strip()) or None
