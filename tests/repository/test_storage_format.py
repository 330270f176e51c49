"""The page about the storage format keeps its promise: its program saves what a pack holds."""

import re
import subprocess
import sys
from pathlib import Path

from repository.objects.local import LocalObjectStore
from tests.repository.test_packs import make_pack, part10, stored

PAGE = Path(__file__).parents[2] / "docs" / "storage-format.md"


def unpack(tmp_path: Path, pack: Path, name: str) -> tuple[list[bytes], str]:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "unpack.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "unpack.py", pack, tmp_path / name],
        check=True,
        capture_output=True,
        text=True,
    )
    return [path.read_bytes() for path in sorted((tmp_path / name).iterdir())], done.stdout


def test_the_program_of_the_page_unpacks_a_whole_a_damaged_and_a_cut_pack(tmp_path: Path) -> None:
    contents = [part10(400_000, 1), b"no preamble\r\n\r\n--", part10(7, 2)]
    store, finished = make_pack(tmp_path / "objects", contents)
    assert isinstance(store, LocalObjectStore)
    path = tmp_path / "objects" / finished.key
    files, printed = unpack(tmp_path, path, "whole")
    assert files == [stored(data) for data in contents]
    assert printed.count("good") == 3

    damaged = bytearray(path.read_bytes())
    damaged[finished.instances[0].offset + 300_000] ^= 1
    (tmp_path / "damaged.pack").write_bytes(damaged)
    files, printed = unpack(tmp_path, tmp_path / "damaged.pack", "damaged")
    assert len(files) == 3
    assert [line.split(", ")[1] for line in printed.splitlines()] == ["DAMAGED", "good", "good"]

    last = finished.instances[-1]
    (tmp_path / "cut.pack").write_bytes(path.read_bytes()[: last.offset + 3])
    files, printed = unpack(tmp_path, tmp_path / "cut.pack", "cut")
    assert files == [stored(data) for data in contents[:2]]
    assert printed.count("no index") == 2
