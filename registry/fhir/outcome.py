"""OperationOutcome: what is said about an error, or beside an answer.

Standard: FHIR R4 OperationOutcome
"""

from registry.fhir.structure import Resource


def make_outcome(severity: str, code: str, message: str, expression: str = "") -> Resource:
    """Make an outcome with one issue; `code` is one of the value set IssueType."""
    return join_issues(make_issue(severity, code, message, expression))


def join_issues(*issues: Resource) -> Resource:
    """Make an outcome of issues."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def make_issue(severity: str, code: str, message: str, expression: str = "") -> Resource:
    """Make one issue of an outcome."""
    issue: Resource = {"severity": severity, "code": code, "diagnostics": message or code}
    if expression:
        issue["expression"] = [expression]
    return issue
