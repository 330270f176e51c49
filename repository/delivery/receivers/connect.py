"""From a destination to its receiver, by the beginning of its address.

Which kinds there are: one line each. A kind is a module with `connect(...) -> Receiver`.
"""

import ssl
from urllib.parse import urlsplit

from access.secrets import UnreadableSecret, unseal
from registry.models import Destination
from repository.delivery.receivers import c_store, fhir_notify, folder, mllp, s3, stow_rs, worklist
from repository.delivery.receivers.address import (
    ForbiddenAddress,
    UnknownHost,
    resolve_address,
    resolve_dicom_address,
    resolve_mllp_address,
    resolve_notification_address,
)
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.receiver import Receiver
from repository.delivery.receivers.s3_address import resolve_bucket
from repository.delivery.receivers.tls import make_context


def connect(destination: Destination) -> Receiver:
    """Check a destination's address and secret, and prepare to speak to it; nothing is sent yet.

    Raises
    ------
    FailedRequest
        The address is forbidden or unknown, or a secret or certificate cannot be read.
    """
    scheme = urlsplit(destination.url).scheme
    try:
        if scheme in ("dicom", "dicoms"):
            address = resolve_dicom_address(destination.url)
            return c_store.connect(address, destination.called_ae_title, make_context(destination))
        if scheme in ("mllp", "mllps"):
            return mllp.connect(resolve_mllp_address(destination.url), make_context(destination))
        if scheme == "file":
            return folder.connect(destination.url)
        if scheme == "s3":
            place, secret = resolve_bucket(destination.url), unseal(destination.token_sealed)
            return s3.connect(place, secret, make_context(destination))
        if scheme == "worklist":
            return worklist.connect(destination)
        token = unseal(destination.token_sealed)
        if scheme in ("fhir+https", "fhir+http"):
            address = resolve_notification_address(destination.url)
            return fhir_notify.connect(address, token, make_context(destination))
        return stow_rs.connect(resolve_address(destination.url), token, make_context(destination))
    except (ForbiddenAddress, UnreadableSecret, ssl.SSLError) as error:
        raise FailedRequest(Failure("destination", "destination_fault", str(error))) from error
    except UnknownHost as error:
        raise FailedRequest(Failure("retry", "no_connection", str(error))) from error
