"""Why a PS3.10 file is refused: one class for each broken rule.

Standard: PS3.18 Annex I.2, PS3.4 B.2.3
"""

PROCESSING_FAILURE = 0x0110
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122


class Part10Error(ValueError):
    """A file that cannot be stored. The message is for the sender; `failure_reason` goes into (0008,1197).

    `sop_class_uid` and `sop_instance_uid` are given where the file says them all the same.
    """

    failure_reason = CANNOT_UNDERSTAND
    sop_class_uid = ""
    sop_instance_uid = ""


class NotPart10(Part10Error):
    """The bytes are no PS3.10 file at all."""


class MissingFileMeta(NotPart10):
    """A sound data set without preamble or file meta; `complete_file` can give it one."""


class TruncatedDataSet(Part10Error):
    """A value, item or sequence announces more bytes than there are."""


class UnreadableDataSet(Part10Error):
    """The structure of the data set cannot be followed."""


class InvalidUid(Part10Error):
    """An identifying UID is malformed."""


class MissingAttribute(Part10Error):
    """An attribute without which nothing can be stored is absent or empty."""

    failure_reason = DATA_SET_DOES_NOT_MATCH


class ContradictingAttributes(Part10Error):
    """The file says two different things about its identity."""

    failure_reason = DATA_SET_DOES_NOT_MATCH


class UnknownTransferSyntax(Part10Error):
    """The transfer syntax is not one we can keep."""

    failure_reason = TRANSFER_SYNTAX_NOT_SUPPORTED


class MisdeclaredTransferSyntax(Part10Error):
    """The data set is not encoded as its file meta says."""


class DirectoryFile(Part10Error):
    """A DICOMDIR is a directory, not an instance."""

    failure_reason = DATA_SET_DOES_NOT_MATCH


class NestingTooDeep(Part10Error):
    """Sequences are nested deeper than any information object needs."""


class HeaderTooLarge(Part10Error):
    """More elements or bytes outside the pixel data than we read."""

    failure_reason = PROCESSING_FAILURE


class DeflateBomb(Part10Error):
    """A deflated data set expands beyond the limits."""

    failure_reason = PROCESSING_FAILURE


class StrictnessDoubt(Exception):
    """The strict reader met something it does not read; the lenient one decides."""
