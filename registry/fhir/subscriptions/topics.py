"""The topics that can be subscribed to, as Basic resources, and the filters that each takes.

Standard: IHE ITI DSUBm (ITI-114); Subscriptions R5 Backport
"""

from dataclasses import dataclass

from registry.fhir.parameters import SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS
from registry.fhir.structure import Resource

DSUBM = "https://profiles.ihe.net/ITI/DSUBm"
R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
R4B = "http://hl7.org/fhir/4.3/StructureDefinition/extension-SubscriptionTopic"
CODE_FILTERS = {
    "category": "class",
    "type": "type",
    "format": "format",
    "event": "event",
    "facility": "facility_type",
    "setting": "practice_setting",
    "security-label": "confidentiality",
}
"""Filters of a document by code, and the kind of code that each means."""
_OF_DOCUMENT = (
    *(SearchParameter(name, "token", f"The document's {kind} code") for name, kind in CODE_FILTERS.items()),
    SearchParameter("status", "token", "current: what is registered is"),
)
_OF_SUBMISSION = (
    SearchParameter("code", "token", "submissionset"),
    SearchParameter("sourceId", "token", "The source that submits"),
    SearchParameter("status", "token", "current: what is registered is"),
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what resource is made, and by what it is filtered; `of_patient` wants a patient among the filters."""

    id: str
    resource: str
    of_patient: bool
    filters: tuple[SearchParameter, ...]

    @property
    def url(self) -> str:
        """The canonical address."""
        return f"{DSUBM}/SubscriptionTopic/{self.id}"


def _topic(name: str, resource: str, of_patient: bool, filters: tuple[SearchParameter, ...]) -> Topic:
    kind = "PatientDependent" if of_patient else "MultiPatient"
    patients = PATIENT_PARAMETERS if of_patient else ()
    return Topic(f"DSUBm-SubscriptionTopic-{name}-{kind}", resource, of_patient, (*patients, *filters))


TOPICS = (
    _topic("DocumentReference", "DocumentReference", True, _OF_DOCUMENT),
    _topic("DocumentReference", "DocumentReference", False, _OF_DOCUMENT),
    _topic("SubmissionSet", "List", True, _OF_SUBMISSION),
    _topic("SubmissionSet", "List", False, _OF_SUBMISSION),
)
BY_URL = {topic.url: topic for topic in TOPICS}


def make_topic(topic: Topic) -> Resource:
    """Make the Basic that R4 has instead of a SubscriptionTopic."""
    trigger = [
        {"url": "description", "valueMarkdown": f"A {topic.resource} resource is created."},
        {"url": "resource", "valueUri": f"http://hl7.org/fhir/StructureDefinition/{topic.resource}"},
        {"url": "supportedInteraction", "valueCode": "create"},
    ]
    filters = [
        {
            "url": f"{R4B}.canFilterBy",
            "extension": [
                {"url": "description", "valueMarkdown": each.documentation},
                {"url": "resource", "valueUri": topic.resource},
                {"url": "filterParameter", "valueString": each.name},
            ],
        }
        for each in topic.filters
    ]
    return {
        "resourceType": "Basic",
        "id": topic.id,
        "meta": {"versionId": "1"},
        "extension": [
            {"url": f"{R5}.url", "valueUri": topic.url},
            {"url": f"{R5}.title", "valueString": topic.id},
            {"url": f"{R4B}.resourceTrigger", "extension": trigger},
            *filters,
            {
                "url": f"{R4B}.notificationShape",
                "extension": [{"url": "resource", "valueUri": topic.resource}],
            },
        ],
        "modifierExtension": [{"url": f"{R5}.status", "valueCode": "active"}],
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
    }
