"""The topics that can be subscribed to, as Basic resources, and the filters that each takes.

Standard: IHE ITI DSUBm (ITI-114); Subscriptions R5 Backport
"""

from dataclasses import dataclass
from typing import Literal

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


_OF_FOLDER = (
    SearchParameter("code", "token", "folder"),
    SearchParameter("status", "token", "current: what is registered is"),
)
About = Literal["document", "submissionset", "folder"]
Interaction = Literal["create", "update"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what is made or changed, and the filters it takes; `of_patient` wants a patient among them."""

    id: str
    about: About
    of_patient: bool
    filters: tuple[SearchParameter, ...]
    interactions: tuple[Interaction, ...] = ("create",)

    @property
    def resource(self) -> str:
        """The type of resource."""
        return "DocumentReference" if self.about == "document" else "List"

    @property
    def url(self) -> str:
        """The canonical address."""
        return f"{DSUBM}/SubscriptionTopic/{self.id}"


def _topics(
    name: str, about: About, filters: tuple[SearchParameter, ...], *interactions: Interaction
) -> tuple[Topic, Topic]:
    """Make the two topics of a kind, for one patient and for all; `name` has `{}` for which of them."""
    head = "DSUBm-SubscriptionTopic-"
    of_one = Topic(
        head + name.format("PatientDependent"), about, True, (*PATIENT_PARAMETERS, *filters), interactions
    )
    return of_one, Topic(head + name.format("MultiPatient"), about, False, filters, interactions)


TOPICS = (
    *_topics("DocumentReference-{}", "document", _OF_DOCUMENT, "create"),
    *_topics("SubmissionSet-{}", "submissionset", _OF_SUBMISSION, "create"),
    *_topics("DocReference-{}-MinUpdate", "document", _OF_DOCUMENT, "create", "update"),
    Topic(
        "DSUBm-SubscriptionTopic-Basic-Folder-Subscription",
        "folder",
        True,
        (*PATIENT_PARAMETERS, *_OF_FOLDER),
        ("create", "update"),
    ),
)
"""Minimum, then the options: changes of status of a document; a folder is made or gets documents."""
BY_URL = {topic.url: topic for topic in TOPICS}


_SENTENCES = {
    "document": "it is created, or with the update option its status changes",
    "submissionset": "it is created",
    "folder": "it is created, or documents are put into it",
}


def make_topic(topic: Topic) -> Resource:
    """Make the Basic that R4 has instead of a SubscriptionTopic."""
    trigger = [
        {"url": "description", "valueMarkdown": f"A {topic.resource} resource: {_SENTENCES[topic.about]}."},
        {"url": "resource", "valueUri": f"http://hl7.org/fhir/StructureDefinition/{topic.resource}"},
        *({"url": "supportedInteraction", "valueCode": each} for each in topic.interactions),
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
