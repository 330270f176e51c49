"""Results of parts whose header was read."""

from repository.header.model import Header
from repository.segments import PreparedInstance
from repository.store_result import DATA_SET_DOES_NOT_MATCH_SOP_CLASS, PartResult


def accepted(number: int, header: Header, prepared: PreparedInstance | None = None) -> PartResult:
    """Return success; without `prepared` for an instance that is stored already."""
    warnings = header.warnings if prepared is None else prepared.warnings
    is_odd = header.contradicts_sop_class or len(warnings) > len(header.warnings)
    return PartResult(
        number,
        header.sop_class_uid,
        header.sop_instance_uid,
        header.study_instance_uid,
        header.series_instance_uid,
        is_duplicate=prepared is None,
        warnings=warnings,
        warning_reason=DATA_SET_DOES_NOT_MATCH_SOP_CLASS if is_odd and prepared else None,
    )


def refused(number: int, header: Header, reason: int, summary: str, comment: str) -> PartResult:
    """Return a failure that names the instance."""
    return PartResult(
        number,
        header.sop_class_uid,
        header.sop_instance_uid,
        header.study_instance_uid,
        header.series_instance_uid,
        failure_reason=reason,
        summary=summary,
        comment=comment,
    )
