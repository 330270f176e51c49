"""What the log does not know and the renderings need: patients' numbers, and the name of this system."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PatientLabel:
    """A number of a patient and the OID of who issued it."""

    value: str
    issuer: str

    @property
    def cx(self) -> str:
        """The number as IHE writes it: HL7 CX with the assigning authority."""
        return f"{self.value}^^^&{self.issuer}&ISO" if self.issuer else self.value


FindPatients = Callable[[Collection[int]], Mapping[int, PatientLabel]]
"""Returns the labels of patients by key; those that are unknown are left out."""


@dataclass(frozen=True, slots=True)
class SourceLabel:
    """This system, as it names itself to an audit repository.

    Parameters
    ----------
    id, site : str
        AuditSourceID and AuditEnterpriseSiteID.
    host : str
        HOSTNAME of syslog messages.
    """

    id: str
    site: str = ""
    host: str = "-"


def label_patient(patient_id: int, labels: Mapping[int, PatientLabel]) -> PatientLabel:
    """Return the label of a patient; of one that is gone, the key."""
    return labels.get(patient_id) or PatientLabel(f"samsyn:{patient_id}", "")
