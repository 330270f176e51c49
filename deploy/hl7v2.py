"""Which HL7 v2 messages are taken, and by whom: put together for the listener."""

from functools import partial

from django.db import connection

from access.database import release
from access.models import Department
from registry.hl7v2 import adt, orders
from registry.hl7v2.listener import Listener
from registry.hl7v2.receive import Handlers, receive
from repository.hl7v2 import reports

HANDLERS: Handlers = {
    "ADT": adt.HANDLERS,
    "OMI": orders.HANDLERS,
    "ORM": orders.HANDLERS,
    "OMG": orders.HANDLERS,
    **reports.HANDLERS,
}


def serve_messages(listener: Listener, stand_in: Department | None) -> Listener:
    """Let a listener's messages be taken, each thread with a database connection of its own."""
    listener.take = partial(receive, handlers=HANDLERS, stand_in=stand_in)
    listener.after_message = release
    listener.done = connection.close
    return listener
