"""What was written down of a failed request, in the reader's language.

The queue keeps it as it was said, in English, whoever reads it: the sentences that this program makes are known
here by their form, and said in another language with the same particulars. What a receiver says in its own words is
none of them and stays as it is.
"""

import re

from django.utils.translation import gettext, gettext_noop

from repository.models import Delivery

_SENTENCES = (
    # Nobody is there, or the connection did not last.
    gettext_noop("no connection to the receiver"),
    gettext_noop("no connection to the receiver, or it ended the association"),
    gettext_noop("%(host)s: Name or service not known"),
    gettext_noop("%(host)s: No address associated with hostname"),
    gettext_noop("%(host)s: Temporary failure in name resolution"),
    gettext_noop("the receiver did not answer in time"),
    gettext_noop("the receiver did not answer in time, or ended the association"),
    gettext_noop("the connection broke"),
    gettext_noop("the connection broke: %(said)s"),
    gettext_noop("the association broke: %(said)s"),
    # Its address, its certificate, its login.
    gettext_noop("the certificate is not accepted: %(said)s"),
    gettext_noop("the receiver does not accept the token"),
    gettext_noop("the receiver forbids storing with this token"),
    gettext_noop("there is nothing at this address"),
    gettext_noop("there is nothing at this address any more"),
    gettext_noop("the address does not take stores"),
    gettext_noop("a proxy asks for a login"),
    gettext_noop("the address redirects elsewhere"),
    gettext_noop("the receiver answers with an error"),
    gettext_noop("the receiver rejects associations for now"),
    gettext_noop("the receiver does not know the AE title it is called by"),
    gettext_noop("the receiver does not know our AE title %(title)s"),
    gettext_noop("the receiver rejects the association"),
    gettext_noop("the receiver does not answer C-ECHO"),
    gettext_noop("a system that speaks DIMSE is called by its AE title: give it to the destination"),
    gettext_noop("a secret was sealed with another key: enter it again"),
    gettext_noop("%(host)s is at %(ip)s, which is no receiver's address"),
    gettext_noop("%(host)s is at the private address %(ip)s: %(setting)s=on allows it"),
    gettext_noop("the address must begin with %(beginnings)s"),
    gettext_noop("the address must not hold a user or password: use the token"),
    gettext_noop("the address names no host"),
    gettext_noop("the port is not a number below 65536"),
    gettext_noop("the address must be a plain path ending in /studies"),
    gettext_noop("the address of a DICOM system is dicom://host:port, without a path"),
    gettext_noop("the address of an HL7 v2 system is mllp://host:port, without a path"),
    gettext_noop("%(folder)s is not below a folder that SAMSYN_EXPORT_FOLDERS names"),
    gettext_noop("the token of a bucket is the access key, a colon and its secret"),
    gettext_noop(
        "the address of a bucket is s3://bucket/prefix; a bucket has 3 to 63 small letters, digits, '-' and '.'"
    ),
    gettext_noop("what follows the bucket holds only letters, digits, '.', '_' and '-' between slashes"),
    gettext_noop("the region holds only small letters, digits and '-'"),
    gettext_noop("what follows the question mark cannot be read: %(said)s"),
    gettext_noop("after the question mark stand %(names)s, each once"),
    gettext_noop("the address names no service: add ?endpoint=https://host, or set SAMSYN_S3_ENDPOINT"),
    gettext_noop("the endpoint of the service is https://host:port, without a path"),
    gettext_noop("the service does not know the access key"),
    gettext_noop("the secret does not belong to the access key"),
    gettext_noop("the clocks here and at the service differ"),
    gettext_noop("there is no such bucket"),
    gettext_noop("the service is in another region"),
    gettext_noop("the bucket is at another endpoint"),
    gettext_noop("the bucket's name is none"),
    gettext_noop("%(folder)s is no folder that can be written to"),
    gettext_noop("No space left on device: %(file)s"),
    gettext_noop("Disk quota exceeded: %(file)s"),
    gettext_noop("Permission denied: %(file)s"),
    gettext_noop("Read-only file system: %(file)s"),
    # What it answered.
    gettext_noop("answered %(status)s, but %(why)s"),
    gettext_noop("the answer names no instance"),
    gettext_noop("the answer is empty"),
    gettext_noop("the answer is not DICOM JSON, it begins %(said)s"),
    gettext_noop("the answer is JSON, but no data set"),
    gettext_noop("the answer cannot be read: %(said)s"),
    gettext_noop("the answer is no acknowledgment: %(why)s"),
    gettext_noop("it is longer than a megabyte"),
    gettext_noop("its acknowledgment code is %(said)s"),
    gettext_noop("the receiver acknowledged another message (%(said)s) than the one that was sent"),
    gettext_noop("the receiver had no room for %(count)s instances"),
    gettext_noop("the receiver's answer does not name %(count)s of %(total)s instances"),
    gettext_noop("%(count)s of %(total)s objects stay there: %(said)s"),
    # Whether it has what it said it stored.
    gettext_noop("the receiver said it stored %(count)s instances that it does not have"),
    gettext_noop("the receiver does not answer a search"),
    gettext_noop(
        "the receiver knows no storage commitment: choose another verification for this destination"
    ),
    gettext_noop("the receiver refuses to commit to what it has"),
    gettext_noop("no report of storage commitment came within %(seconds)s s"),
    gettext_noop("the receiver did not come to commit to what it has"),
    gettext_noop("a search is answered by no list"),
    gettext_noop("storage commitment is answered by no data set"),
    gettext_noop("what verifies is answered by no JSON"),
    gettext_noop("the receiver answers %(what)s with %(status)s"),
    gettext_noop(
        "the receiver answers %(what)s with %(status)s: choose another verification for this destination"
    ),
    gettext_noop("a search of instances"),
    gettext_noop("storage commitment"),
    # Why one image did not arrive.
    gettext_noop("processing failure"),
    gettext_noop("it has other data under this UID"),
    gettext_noop("no such SOP instance"),
    gettext_noop("invalid SOP instance"),
    gettext_noop("class and instance do not fit"),
    gettext_noop("it does not take this SOP class"),
    gettext_noop("not authorised"),
    gettext_noop("it does not take this transfer syntax"),
    gettext_noop("refused"),
    gettext_noop("has %(bytes)s bytes; the receiver takes %(most)s"),
    gettext_noop("cannot be given the receiver's numbers: %(said)s"),
    # What it does not take, and what is wrong here.
    gettext_noop("a system that is told by FHIR takes no images"),
    gettext_noop("a system that speaks HL7 v2 takes no images"),
    gettext_noop("this destination takes no messages"),
    gettext_noop("nothing can be taken out of this destination from here"),
    gettext_noop("no UIDs that can name files: %(uids)s"),
    gettext_noop("no UIDs that can name objects: %(uids)s"),
    gettext_noop("no bytes are stored under %(uid)s"),
    gettext_noop("the file of report version %(version)s has %(bytes)s bytes"),
)
_OWN_CODES = frozenset({"operator_held", "operator_withdrew", "replayed", "source_unreadable", "unexpected"})
"""Reason codes beside which the words of an operator or of this program stand, not a receiver's."""
_WORDS = frozenset({"host", "ip", "status", "count", "total", "title", "uid"})
"""Particulars without blanks."""
_NESTED = frozenset({"what", "why"})
"""Particulars that are sentences of this program themselves."""
DEEPEST = 5
"""So many sentences stand in one another at most: what goes on deeper is no text of this program."""
_WORD, _TEXT = r"\S+", ".+"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_CODE = re.compile(r"(.+?)( \([0-9A-Za-z ]+\))", re.DOTALL)
"""A sentence, and after it the status or failure reason of the answer."""
_INSTANCE = re.compile(r"([0-9.]{1,64}): (.+)", re.DOTALL)
"""SOP Instance UID of the first image that was refused, and why."""


def _read_form(sentence: str) -> re.Pattern[str]:
    """Return what finds a sentence with its particulars filled in."""
    parts = _PLACEHOLDER.split(sentence)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?P<{name}>{_WORD if name in _WORDS else _TEXT})" for name in parts[1::2]]
    return re.compile("".join(parts), re.DOTALL)


_FORMS = tuple((sentence, _read_form(sentence)) for sentence in _SENTENCES if "%(" in sentence)


def translate_error(stored: str) -> str:
    """Return what was written down of a failed request, in the active language; a receiver's own words unchanged."""
    return _say(stored) or stored


def is_from_receiver(delivery: Delivery) -> bool:
    """Tell whether what was written down beside a delivery's reason code is in a receiver's own words."""
    text = delivery.reason
    return bool(text) and delivery.reason_code not in _OWN_CODES and _say(text) is None


def _say(stored: str, depth: int = DEEPEST) -> str | None:
    """Say a sentence of this program in the active language; None for words that are no such sentence."""
    if stored in _SENTENCES:
        return gettext(stored)
    if not depth:
        return None
    if found := _CODE.fullmatch(stored):
        said = _say(found[1], depth - 1)
        if said is not None:
            return f"{said}{found[2]}"
    if found := _INSTANCE.fullmatch(stored):
        return f"{found[1]}: {_say(found[2], depth - 1) or found[2]}"
    for sentence, form in _FORMS:
        if found := form.fullmatch(stored):
            filled = {name: _fill(name, value, depth - 1) for name, value in found.groupdict().items()}
            return gettext(sentence) % filled
    return None


def _fill(name: str, value: str, depth: int) -> str:
    return _say(value, depth) or value if name in _NESTED else value
