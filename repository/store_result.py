"""What a store answers for each part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of one part.

    `failure_reason` is None for success; `sop_instance_uid` is empty for a part without identity.
    """

    part_number: int
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    failure_reason: int | None = None
    comment: str = ""
    is_duplicate: bool = False
    warnings: tuple[str, ...] = ()
