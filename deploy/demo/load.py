"""Storing the region's studies through STOW-RS, each with the token of the hospital that made it."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from deploy.importing.stow_client import StowServer, store_instances
from deploy.region.build import build_study
from deploy.region.facts import Region, Study

MAX_REQUEST_BYTES = 32 << 20
PARALLEL = 2


class StudyRefused(RuntimeError):
    """The server did not take every instance of a study; the message holds its reasons."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was stored."""

    studies: int
    instances: int
    size_bytes: int


def load_studies(
    region: Region, dicomweb_url: str, tokens: dict[str, str], on_study: Callable[[], object]
) -> Loaded:
    """Build and store all studies, one request a study and 32 MiB, a few requests at a time.

    Parameters
    ----------
    tokens
        By hospital code.
    on_study
        Called after each study.

    Raises
    ------
    StudyRefused, ServerUnreachable, NotAuthorised
        What went in before stays.
    """
    servers = {code: StowServer(dicomweb_url, token) for code, token in tokens.items()}
    waiting: deque[Future[int]] = deque()
    size_bytes = instances = 0
    with ThreadPoolExecutor(PARALLEL) as pool:
        for study in region.studies:
            for files in _split_requests(build_study(region, study)):
                if len(waiting) > PARALLEL:
                    instances += waiting.popleft().result()
                size_bytes += sum(map(len, files))
                waiting.append(pool.submit(_store, servers[study.hospital.code], study, files))
            on_study()
        instances += sum(future.result() for future in waiting)
    return Loaded(len(region.studies), instances, size_bytes)


def _store(server: StowServer, study: Study, files: list[bytes]) -> int:
    answer = store_instances(server, files)
    if len(answer.stored) != len(files):
        reasons = [*answer.failed.values(), *answer.others, answer.error]
        raise StudyRefused(f"study {study.study_instance_uid}: {'; '.join(filter(None, reasons))}")
    return len(files)


def _split_requests(files: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size_bytes = 0
    for file in files:
        if batch and size_bytes + len(file) > MAX_REQUEST_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(file)
        size_bytes += len(file)
    yield batch
