"""Which VR an element has when the file does not say: dictionary, private creators, ambiguous VRs.

Standard: PS3.5 6.2.2, PS3.6, PS3.5 Annex A.1
"""

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, private_dictionary_VR

from repository.header.errors import StrictnessDoubt

KNOWN_VRS: dict[int, str] = {tag: entry[0] for tag, entry in DicomDictionary.items()}
# The first value of these is a count that may be wrongly signed (PS3.3 C.11.1.1).
LUT_DESCRIPTORS = frozenset((0x00281101, 0x00281102, 0x00281103, 0x00283002))


@lru_cache(maxsize=4096)
def find_standard_vr(tag: int) -> str:
    """Return the dictionary's VR of a standard element (possibly "US or SS"), "UN" if it is not listed."""
    vr = KNOWN_VRS.get(tag)
    if vr is not None:
        return vr
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


@lru_cache(maxsize=16384)
def _find_listed_private_vr(tag: int, creator: str) -> str:
    try:
        return str(private_dictionary_VR(tag, creator))
    except KeyError:
        return "UN"


def find_private_vr(tag: int, creators: dict[int, str]) -> str:
    """Return the VR of a private element by its creator, "LO" for a creator itself, else "UN".

    Parameters
    ----------
    creators
        (group << 8 | block) -> Private Creator, of the same data set.
    """
    element = tag & 0xFFFF
    if 0x10 <= element < 0x100:
        return "LO"
    creator = creators.get((tag >> 16) << 8 | element >> 8)
    return _find_listed_private_vr(tag, creator) if creator else "UN"


def settle_vr(
    tag: int, vr: str, pixel_representation: int | None, lut_entries: int | None, *, is_nested: bool
) -> str:
    """Return the VR an ambiguous element has in Implicit VR Little Endian.

    Raises
    ------
    StrictnessDoubt
        If it hangs on an attribute further on in the data set.
    """
    if vr == "US or SS":
        if pixel_representation is None and is_nested:
            raise StrictnessDoubt("Pixel Representation not seen yet")
        return "SS" if pixel_representation else "US"
    if vr == "US or OW" and lut_entries == 1:
        return "US"
    return "OW"
