"""Compile the portal's .po catalogues to .mo, without gettext's own tools: `python scripts/compile_messages.py`.

The .mo files are committed, so that a fresh machine needs nothing; a test holds them against this.
"""

import ast
import struct
from pathlib import Path

LOCALE = Path(__file__).resolve().parents[1] / "frontend" / "locale"
MAGIC = 0x950412DE


class BrokenCatalogue(ValueError):
    """A line of a catalogue that cannot be read; the message says which."""


def read_catalogue(path: Path) -> dict[str, str]:
    """Read a .po file: key (context, EOT, msgid, NUL, plural) to translation (forms joined by NUL).

    Raises
    ------
    BrokenCatalogue
        A line that is neither comment, keyword nor string.
    """
    catalogue: dict[str, str] = {}
    entry: dict[str, str] = {}
    keyword = ""
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], start=1):
        line = line.strip()
        if not line:
            _keep(catalogue, entry)
            entry, keyword = {}, ""
        elif not line.startswith("#"):
            if not line.startswith('"'):
                keyword, _, line = line.partition(" ")
            if not keyword or not line.startswith('"'):
                raise BrokenCatalogue(f"{path.name}, line {number}: expected a keyword and a quoted string")
            entry[keyword] = entry.get(keyword, "") + str(ast.literal_eval(line))
    return catalogue


def compile_catalogue(catalogue: dict[str, str]) -> bytes:
    """Write the catalogue as a .mo file, sorted, without a hash table."""
    pairs = sorted((key.encode(), value.encode()) for key, value in catalogue.items())
    header_bytes, table_bytes = 28, 8 * len(pairs)
    place = header_bytes + 2 * table_bytes
    tables, texts = [b"", b""], b""
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<II", len(pair[column]), place + len(texts))
            texts += pair[column] + b"\0"
    header = struct.pack("<7I", MAGIC, 0, len(pairs), header_bytes, header_bytes + table_bytes, 0, 0)
    return header + tables[0] + tables[1] + texts


def _keep(catalogue: dict[str, str], entry: dict[str, str]) -> None:
    if "msgid" not in entry:
        return
    key = entry["msgid"]
    if "msgid_plural" in entry:
        key = f"{key}\0{entry['msgid_plural']}"
    if "msgctxt" in entry:
        key = f"{entry['msgctxt']}\4{key}"
    forms = [entry[name] for name in sorted(entry) if name.startswith("msgstr")]
    if all(forms):
        catalogue[key] = "\0".join(forms)


def main() -> None:
    """Compile every catalogue and print its path."""
    for source in sorted(LOCALE.parents[1].glob("*/locale/*/LC_MESSAGES/*.po")):
        source.with_suffix(".mo").write_bytes(compile_catalogue(read_catalogue(source)))
        print(source.relative_to(LOCALE.parents[1]))


if __name__ == "__main__":
    main()
