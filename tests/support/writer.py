"""One of many writer processes: stores small studies and audits reads until its time is over.

usage: python -m tests.support.writer SECONDS NAME   (prints one JSON line: what it did, how long it waited)
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import django


@dataclass(slots=True)
class Work:
    """What one writer has done."""

    stores: int = 0
    audits: int = 0
    longest_s: float = 0.0
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BytesPart:
    """A part of a Store request that is there already."""

    data: bytes

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the part."""
        yield self.data


def main(seconds: float, name: str) -> Work:
    """Store and audit until the time is over; errors are counted, not raised."""
    from access import audit
    from access.actor import Actor, Scope
    from repository.store import store
    from tests.support.dicom import StudyFacts, make_series

    actor = Actor("system", name, Scope(region_wide=True), frozenset({"store", "read"}))
    work = Work()
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        study = StudyFacts(patient_id=f"{name}-{work.stores}", issuer_oid="1.2.3.4")
        try:
            results = store([BytesPart(file) for file in make_series(study, 2)], actor, door="test")
            assert [result.failure_reason for result in results] == [None, None], results
            work.stores += 1
            audit.touch(actor, study.study_instance_uid, None, door="test")
            work.audits += 1
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what the test asks about)
            work.errors += (repr(error),)
        work.longest_s = max(work.longest_s, time.monotonic() - began)
    return work


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings.embedded")
    django.setup()
    print(json.dumps(asdict(main(float(sys.argv[1]), sys.argv[2]))))
