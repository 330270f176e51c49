"""Deliveries: one study on its way to one destination."""

from django.db import models

from registry.models import Destination, SendRequest, Study


class Delivery(models.Model):
    """What of one study goes to one destination, in one generation.

    Kinds: `study` (its images and objects), `prior` (those of an earlier study that bears on another), `report` (one
    version), `request` (one state of an order), `recall` (a rejection note), `correction` (who the patient is was
    settled otherwise). `subject` is the key of the report, order or recall; of a study it is empty. Deliveries of one
    subject to one destination go in the order of their generations.

    States: ready -> leased -> sending (-> verifying) -> delivered; these fall back to ready. awaiting_basis while the
    receiving department may not see the study; waiting_window outside the hours of what asked for it; held by an
    operator; dead when the error is permanent or the deadline has passed; withdrawn when nobody wants it any more;
    superseded by a newer generation before it was begun. Every write of a worker names its `lease_token`.
    """

    READY = "ready"
    LEASED = "leased"
    SENDING = "sending"
    VERIFYING = "verifying"
    DELIVERED = "delivered"
    AWAITING_BASIS = "awaiting_basis"
    WAITING_WINDOW = "waiting_window"
    HELD = "held"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"

    study = models.ForeignKey(Study, models.CASCADE, related_name="deliveries")
    destination = models.ForeignKey(Destination, models.PROTECT, related_name="deliveries")
    kind = models.CharField(max_length=10, default="study")
    subject = models.CharField(max_length=64, blank=True)
    generation = models.PositiveIntegerField()
    priority = models.CharField(max_length=8, default="normal")
    priority_rank = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=14, default=READY)
    reason_code = models.CharField(max_length=30, blank=True, help_text="Made a sentence by delivery.reasons")
    reason = models.TextField(blank=True, help_text="What the receiver or the worker said about it")
    subscription_ids = models.JSONField(default=list)
    turn_of = models.BigIntegerField(null=True, help_text="Key of the subscription whose turn it takes")
    send_request = models.ForeignKey(SendRequest, models.SET_NULL, related_name="deliveries", null=True)
    because = models.JSONField(default=dict, help_text="Of a prior: the order or study it bears on")
    planned_at = models.DateTimeField()
    not_before = models.DateTimeField()
    deadline_at = models.DateTimeField()
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, help_text="When it came into a state that nobody works on")
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "destination", "kind", "subject", "generation"], name="delivery_once"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "priority_rank", "not_before"], name="delivery_claim"),
            models.Index(
                fields=["destination", "state", "priority_rank", "turn_of", "not_before"],
                name="delivery_turn",
            ),
            models.Index(
                fields=["subject", "destination"], name="delivery_of_subject", condition=~models.Q(subject="")
            ),
            models.Index(
                fields=["destination", "delivered_at"],
                name="delivery_gone",
                condition=models.Q(delivered_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} {self.state}"


class DeliveryItem(models.Model):
    """One instance of a delivery: only what is not yet there is sent again.

    States: waiting, delivered, failed (the receiver refused it), gone (no longer ours to send).
    """

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="items")
    sop_instance_uid = models.CharField(max_length=64)
    state = models.CharField(max_length=10, default=WAITING)
    status = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "sop_instance_uid"], name="item_once")]

    def __str__(self) -> str:
        return f"{self.sop_instance_uid} {self.state}"


class Attempt(models.Model):
    """One try at one delivery, as it went.

    It holds one of the destination's slots until `slot_until`: also when its worker died, because
    the receiver may still be busy with the request.
    """

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempt_rows")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=100)
    instances_ok = models.PositiveIntegerField(default=0)
    instances_failed = models.PositiveIntegerField(default=0)
    bytes_sent = models.BigIntegerField(default=0)
    http_status = models.PositiveSmallIntegerField(null=True)
    error_class = models.CharField(max_length=20, blank=True)
    error = models.TextField(blank=True)
    slot_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["slot_until"], name="attempt_slot", condition=models.Q(slot_until__isnull=False)
            ),
            models.Index(fields=["ended_at"], name="attempt_ended"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.pk} of delivery {self.delivery_id}"
