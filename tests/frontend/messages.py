"""The texts of the portal that have to be translated, read from its templates and modules."""

import ast
from pathlib import Path

from django.utils.translation.template import templatize

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
_ARGUMENTS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "ngettext": 2, "pgettext": 2, "npgettext": 3}
_CONTEXT = {"pgettext", "npgettext"}


def collect_messages() -> set[str]:
    """Collect the keys of all texts, written as scripts/compile_messages.py keys them."""
    found: set[str] = set()
    for path in FRONTEND.rglob("*.py"):
        found |= _read_calls(path.read_text(encoding="utf-8"))
    for path in (FRONTEND / "templates").rglob("*.html"):
        found |= _read_calls(_to_calls(templatize(path.read_text(encoding="utf-8"))))
    return found


def _to_calls(templatized: str) -> str:
    """Keep the calls of a templatized page: what is between them is blotted out with X."""
    lines = []
    for name in ("gettext(", "pgettext(", "ngettext(", "npgettext("):
        start = 0
        while (start := templatized.find(name, start)) >= 0:
            before = templatized[start - 1 : start]
            if not before.isalpha() and before != "_":
                lines.append(_cut_call(templatized[start:]))
            start += len(name)
    start = 0
    while (start := templatized.find("_(", start)) >= 0:
        lines.append(_cut_call(templatized[start:]))
        start += 2
    return "\n".join(lines)


def _cut_call(text: str) -> str:
    for end in (index + 1 for index, character in enumerate(text) if character == ")"):
        try:
            ast.parse(text[:end])
        except SyntaxError:
            continue
        return text[:end]
    raise ValueError(f"a call without an end: {text[:60]}")


def _read_calls(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ARGUMENTS:
            values = [ast.literal_eval(argument) for argument in node.args[: _ARGUMENTS[node.func.id]]]
            if node.func.id in _CONTEXT:
                found.add(f"{values[0]}\4" + "\0".join(values[1:]))
            else:
                found.add("\0".join(values))
    return found
