"""SOAP faults: what is wrong with a message, before anybody asks what it is about.

What is wrong with the *content* of a request is never a fault but an error in the transaction's own answer.

Standard: W3C SOAP 1.2 part 1 5.4, part 2 7.5; WS-Addressing 1.0 SOAP binding 6
"""

from registry.ihe.namespaces import WSA

SOAP_FAULT_ACTION = f"{WSA}/soap/fault"
ADDRESSING_FAULT_ACTION = f"{WSA}/fault"


class SoapFault(Exception):
    """A message that is answered with a fault.

    Parameters
    ----------
    code
        `Sender`, `Receiver`, `VersionMismatch` or `MustUnderstand`.
    reason
        One sentence for people.
    subcodes
        Names in the namespace of WS-Addressing, outermost first.
    not_understood
        Header blocks in Clark notation (`{namespace}name`) that were to be understood and were not.
    problem_action, problem_header
        What WS-Addressing tells in the detail: the action or the header that is wrong.
    status
        The HTTP status; by default that of the code.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        subcodes: tuple[str, ...] = (),
        not_understood: tuple[str, ...] = (),
        problem_action: str = "",
        problem_header: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.subcodes = subcodes
        self.not_understood = not_understood
        self.problem_action = problem_action
        self.problem_header = problem_header
        self.status = status if status is not None else (400 if code == "Sender" else 500)

    @property
    def action(self) -> str:
        """The wsa:Action of the fault message."""
        return ADDRESSING_FAULT_ACTION if self.subcodes else SOAP_FAULT_ACTION


def sender_fault(reason: str, status: int = 400) -> SoapFault:
    """Make the fault for a message that its sender has to change."""
    return SoapFault("Sender", reason, status=status)


def receiver_fault(reason: str, status: int = 500) -> SoapFault:
    """Make the fault for a message that may succeed later, unchanged."""
    return SoapFault("Receiver", reason, status=status)


def unsupported_action(action: str) -> SoapFault:
    """Make the fault for an action that is not served at this address."""
    return SoapFault(
        "Sender",
        f"the action {action[:200]} is not served at this address",
        subcodes=("ActionNotSupported",),
        problem_action=action[:1000],
    )


def missing_header(name: str) -> SoapFault:
    """Make the fault for a header of WS-Addressing that has to be there."""
    return SoapFault(
        "Sender",
        f"the header wsa:{name} is missing",
        subcodes=("MessageAddressingHeaderRequired",),
        problem_header=name,
    )


def invalid_header(name: str, subcode: str, reason: str) -> SoapFault:
    """Make the fault for a header of WS-Addressing that says what is not possible here."""
    return SoapFault("Sender", reason, subcodes=("InvalidAddressingHeader", subcode), problem_header=name)
