"""Addresses of the management API, and its description for programs."""

from django.urls import path
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView

from access.rest import ActorAuthentication
from deploy.api import (
    acts,
    care,
    codes,
    consents,
    deliveries,
    description,
    destinations,
    emergencies,
    merge_requests,
    merges,
    recalls,
    receipts,
    reviews,
    sendings,
    shares,
    subscriptions,
    why,
    worklist,
)
from deploy.api.base import DeclaredWords
from deploy.api.care import ANYBODY

__all__ = ["description", "urlpatterns"]

PATIENT = "patients/<str:reference>"


class Description(SpectacularAPIView):
    """The management API in OpenAPI 3, for those who may use it."""

    authentication_classes = (ActorAuthentication,)
    permission_classes = (DeclaredWords,)
    renderer_classes = [OpenApiJsonRenderer]
    words = {"GET": ANYBODY}


DESCRIBED = {
    "TITLE": "Samsyn management API",
    "DESCRIPTION": "What patients decide, who takes part in their care, openings, shares, log reviews, codes,"
    " merges of patients, what is distributed to which departments.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX_INSERT": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "Finding": "registry.review.findings.FINDINGS",
        "Priority": "registry.wishes.priorities.PRIORITIES",
        "SendingPriority": "registry.send_now.PRIORITIES",
        "DeliveryKind": "repository.delivery.operating.listing.KINDS",
        "WorklistState": "deploy.api.worklist.STATES",
        "DeliveryState": "repository.delivery.operating.listing.STATES",
        "MergeKind": "registry.merge_listing.KINDS",
        "MergeState": "registry.merge_listing.STATES",
        "MergeRequestState": "deploy.api.merge_requests.STATES",
    },
}

urlpatterns = [
    path(
        "openapi.json",
        Description.as_view(urlconf="deploy.api.urls", custom_settings=DESCRIBED),
        name="api-openapi",
    ),
    path("patients/find", care.PatientSearch.as_view()),
    path(f"{PATIENT}/consents", consents.Consents.as_view()),
    path(f"{PATIENT}/consents/<int:key>/withdraw", consents.ConsentWithdrawal.as_view()),
    path(f"{PATIENT}/blocks", consents.Blocks.as_view()),
    path(f"{PATIENT}/blocks/<int:key>/cancel", consents.BlockCancellation.as_view()),
    path(f"{PATIENT}/blocks/<int:key>/lifts", consents.Lifts.as_view()),
    path(f"{PATIENT}/lifts/<int:key>/cancel", consents.LiftCancellation.as_view()),
    path(f"{PATIENT}/relations", care.Relations.as_view()),
    path(f"{PATIENT}/relations/<int:key>/end", care.RelationEnd.as_view()),
    path(f"{PATIENT}/choices", care.Choices.as_view()),
    path(f"{PATIENT}/flags", care.Flags.as_view()),
    path(f"{PATIENT}/flags/<int:key>/end", care.FlagEnd.as_view()),
    path(f"{PATIENT}/relatives", care.Relatives.as_view()),
    path(f"{PATIENT}/relatives/<int:key>/end", care.RelativeEnd.as_view()),
    path(f"{PATIENT}/emergency", emergencies.Emergency.as_view()),
    path("openings", emergencies.Openings.as_view()),
    path("openings/<int:key>", emergencies.Opening.as_view()),
    path("openings/<int:key>/open", emergencies.OpeningStepTwo.as_view()),
    path("openings/<int:key>/close", emergencies.OpeningClose.as_view()),
    path("openings/<int:key>/review", emergencies.OpeningReview.as_view()),
    path("notices", emergencies.Notices.as_view()),
    path("notices/<int:key>/seen", emergencies.NoticeSeen.as_view()),
    path("studies/<str:study_instance_uid>/shares", shares.Shares.as_view()),
    path("shares/<int:key>/withdraw", shares.ShareWithdrawal.as_view()),
    path("studies/<str:study_instance_uid>/send", sendings.StudySending.as_view()),
    path(f"{PATIENT}/send", sendings.PatientSending.as_view()),
    path("sendings", sendings.Sendings.as_view()),
    path("sendings/<int:key>", sendings.SendingOne.as_view()),
    path("sendings/<int:key>/withdraw", sendings.SendingWithdrawal.as_view()),
    path("log-reviews", reviews.Reviews.as_view()),
    path("log-reviews/<int:key>", reviews.Review.as_view()),
    path("log-reviews/<int:key>/items/<int:item>/finding", reviews.Finding.as_view()),
    path("log-reviews/<int:key>/sign", reviews.Signature.as_view()),
    path("unmapped-words", codes.UnmappedWords.as_view()),
    path("code-mappings", codes.Mappings.as_view()),
    path("code-mappings/preview", codes.MappingPreview.as_view()),
    path("code-mappings/<int:key>/end", codes.MappingEnd.as_view()),
    path("code-coverage", codes.Coverages.as_view()),
    path("outside-reads", reviews.OutsideReads.as_view()),
    path("studies/<str:study_instance_uid>/receipts", receipts.Receipts.as_view()),
    path("merges", merges.Merges.as_view()),
    path("merges/search", merges.MergesFound.as_view()),
    path("merges/requests", merge_requests.Requests.as_view()),
    path("merges/requests/<int:key>/make", merge_requests.RequestMade.as_view()),
    path("merges/requests/<int:key>/refuse", merge_requests.RequestRefused.as_view()),
    path("merges/<int:key>", merges.MergeOne.as_view()),
    path("merges/<int:key>/undo", merges.MergeUndo.as_view()),
    path("studies/<str:study_instance_uid>/why", why.Why.as_view()),
    path("recalls", recalls.Recalls.as_view()),
    path("recalls/<int:key>/receipts/<int:receipt>/done", recalls.RecallDone.as_view()),
    path("worklist", worklist.Worklist.as_view()),
    path("worklist/<int:key>/done", worklist.WorklistDone.as_view()),
    path("deliveries", deliveries.Deliveries.as_view()),
    path("deliveries/search", deliveries.DeliveriesFound.as_view()),
    path("deliveries/<int:key>", deliveries.DeliveryOne.as_view()),
    path("deliveries/<int:key>/attempts", deliveries.DeliveryAttempts.as_view()),
    *(path(f"deliveries/<int:key>/{name}", acts.make_act(acts.DeliveryAct, name)) for name in acts.ACTS),
    *(path(f"deliveries/bulk/{name}", acts.make_act(acts.DeliveriesAct, name)) for name in acts.ACTS),
    path("destinations/<int:key>/test", acts.DestinationTest.as_view()),
    path("destinations/<int:key>/hold", acts.DestinationHold.as_view()),
    path("destinations/<int:key>/release", acts.DestinationRelease.as_view()),
    path("destinations/<int:key>/maintenance", acts.DestinationMaintenance.as_view()),
    path("subscriptions", subscriptions.Subscriptions.as_view()),
    path("subscriptions/preview", subscriptions.SubscriptionPreview.as_view()),
    path("subscriptions/<int:key>/replay", subscriptions.SubscriptionReplay.as_view()),
    path("subscriptions/<int:key>", subscriptions.SubscriptionOne.as_view()),
    path("destinations", destinations.Destinations.as_view()),
    path("destinations/<int:key>", destinations.DestinationOne.as_view()),
]
