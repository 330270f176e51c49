"""The plain sentence for the state a delivery is in, in the reader's language."""

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop

from registry.models import Destination
from repository.models import Delivery

_SENTENCES = {
    "queued": gettext_noop("Waits for its turn."),
    "sending": gettext_noop("Is being sent now."),
    "delivered": gettext_noop("Everything has arrived; the receiver has named every image."),
    "superseded": gettext_noop("More images came before it was sent; they all go in a later delivery."),
    "in_conflict": gettext_noop(
        "Held: the patient's identity is disputed. It goes when somebody has settled whose study this is."
    ),
    "no_basis": gettext_noop("Held: the receiving department may not see this study."),
    "consent_missing": gettext_noop(
        "Held until the patient consents: the receiver is another care provider."
    ),
    "subscription_ended": gettext_noop("Withdrawn: no active subscription asks for it any more."),
    "sending_withdrawn": gettext_noop("Withdrawn: whoever sent it has taken that back."),
    "order_cancelled": gettext_noop("Withdrawn: the examination it was meant for was cancelled."),
    "came_from_there": gettext_noop("Not sent: it came from there, or has passed too many installations."),
    "removed": gettext_noop("Withdrawn: the images have been removed."),
    "operator_held": gettext_noop("Held by an operator until somebody releases it."),
    "operator_released": gettext_noop("Released by an operator; waits for its turn."),
    "operator_withdrew": gettext_noop("Withdrawn by an operator."),
    "replayed": gettext_noop("To be sent again, as an operator asked; waits for its turn."),
    "verifying_again": gettext_noop("The receiver is asked again whether it has everything."),
    "outside_hours": gettext_noop("Waits for the hours of what asked for it."),
    "lease_lost": gettext_noop("The sending process stopped half-way; the rest is sent again."),
    "worker_died": gettext_noop(
        "Given up: the sending process stopped every time. An administrator has to look."
    ),
    "deadline_passed": gettext_noop("Given up: it could not be sent within the time allowed."),
    "basis_too_late": gettext_noop(
        "Given up: nothing that lets the receiver see it was registered within the time allowed."
    ),
    "no_connection": gettext_noop("No connection to the receiver."),
    "connection_cut": gettext_noop("The connection to the receiver broke."),
    "receiver_slow": gettext_noop("The receiver did not answer in time."),
    "receiver_error": gettext_noop("The receiver answered with an error."),
    "receiver_busy": gettext_noop("The receiver asked us to wait."),
    "receiver_full": gettext_noop("The receiver had no room for some images."),
    "answer_unreadable": gettext_noop("The receiver's answer does not say what it has stored."),
    "answer_incomplete": gettext_noop("The receiver's answer does not name every image that was sent."),
    "cannot_be_verified": gettext_noop("The receiver cannot be asked whether it has what was sent."),
    "not_there": gettext_noop("The receiver said it stored images that it does not have."),
    "recall_undone": gettext_noop("Withdrawn: what was recalled has been brought back."),
    "merge_undone": gettext_noop("Withdrawn: the two patients were parted again before it was sent."),
    "acknowledged": gettext_noop("It has arrived; the receiver has acknowledged it."),
    "overtaken": gettext_noop("Not sent: something newer about the same has arrived there."),
    "newer_state": gettext_noop("The order was changed before it was sent; it goes as it is now."),
    "answer_mismatch": gettext_noop("The receiver acknowledged another message than the one that was sent."),
    "message_error": gettext_noop("The receiver says that something in the message is wrong."),
    "message_rejected": gettext_noop("Given up: the receiver rejects the message."),
    "destination_fault": gettext_noop(
        "The receiver's address, token or certificate has to be put right by an administrator."
    ),
    "request_refused": gettext_noop("Given up: the receiver refuses the request."),
    "instances_refused": gettext_noop("Given up: the receiver refused some images; the others arrived."),
    "source_unreadable": gettext_noop("Our own copy could not be read; an administrator has been warned."),
    "unexpected": gettext_noop("An unexpected error; an administrator has been warned."),
}


def say_reason(code: str) -> str:
    """Return the sentence of a reason code, in the active language."""
    return gettext(_SENTENCES.get(code, _SENTENCES["unexpected"]))


def explain(delivery: Delivery) -> str:
    """Return why a delivery is in its state and what comes next, in the active language.

    Reads `delivery.destination` and nothing else; what the receiver said stays in `delivery.reason`.
    """
    sentence = say_reason(delivery.reason_code)
    following = _what_follows(delivery)
    return f"{sentence} {following}" if following else sentence


def _what_follows(delivery: Delivery) -> str:
    if delivery.state == Delivery.WAITING_WINDOW:
        at = date_format(timezone.localtime(delivery.not_before), "j M H:i")
        return gettext("They begin at %(time)s.") % {"time": at}
    if delivery.state != Delivery.READY:
        return ""
    destination = delivery.destination
    if not destination.active:
        return gettext("The destination is switched off.")
    if destination.held_reason:
        return gettext("The destination is held by an operator: %(reason)s") % {
            "reason": destination.held_reason
        }
    if destination.maintenance_until and destination.maintenance_until > timezone.now():
        until = date_format(timezone.localtime(destination.maintenance_until), "j M H:i")
        return gettext("The receiver is in maintenance until %(time)s.") % {"time": until}
    if destination.breaker == Destination.OPEN:
        return gettext("The receiver is asked at intervals whether it answers again.")
    if delivery.not_before > timezone.now():
        at = date_format(timezone.localtime(delivery.not_before), "H:i:s")
        return gettext("Next attempt at %(time)s.") % {"time": at}
    return ""
