"""What one reading with pydicom may cost: a file object that counts reads and bytes."""

from dataclasses import dataclass

from repository.header.model import Findings
from repository.header.strict import Scan
from repository.header.text import TextDecoder

MAX_READS = 100_000
MAX_READ_BYTES = 16 << 20
HEAD_BYTES = 8  # what pydicom asks for at every element; it stops without a word if fewer come


class SpentBudgetError(Exception):
    """pydicom read more often or more bytes than a header is worth."""


@dataclass(slots=True)
class Job:
    """One reading: where the data is, how it is encoded, and what may still be spent."""

    scan: Scan
    is_little_endian: bool
    findings: Findings
    decoder: TextDecoder
    reads: int = MAX_READS
    read_bytes: int = MAX_READ_BYTES
    is_spent: bool = False
    cut_offset: int | None = None


class CountingFile:
    """A read-only file over [start, end) of the data that stops when the budget of the job is spent."""

    def __init__(self, job: Job, start: int, end: int) -> None:
        self._job, self._position, self._end = job, start, end

    def read(self, size: int = -1) -> bytes:
        available = max(0, self._end - self._position)
        if 0 < available < size == HEAD_BYTES:
            self._job.cut_offset = self._position
        size = available if size < 0 else min(size, available)
        self._job.reads -= 1
        self._job.read_bytes -= size
        if self._job.reads < 0 or self._job.read_bytes < 0:
            self._job.is_spent = True
            raise SpentBudgetError
        start = self._position
        self._position += size
        return bytes(self._job.scan.buffer[start : self._position])

    def seek(self, position: int, whence: int = 0) -> int:
        self._position = position + (0, self._position, self._end)[whence]
        return self._position

    def tell(self) -> int:
        return self._position
