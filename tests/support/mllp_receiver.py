"""A department's HL7 v2 system: python-hl7's MLLP server, answering as the script says."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import hl7
from hl7.mllp import start_hl7_server


@dataclass(slots=True)
class MllpReceiver:
    """What came in; `script` are the next answers, `AA` at its end.

    An answer is a code of MSA-1, or `silence`, `hang up`, `another` (the acknowledgment of another message), `garbage`,
    or the text of ERR-3 after a code: `AR 207`. `taken` keeps each message once, as a receiver does that knows a
    control id again.
    """

    port: int = 0
    script: list[str] = field(default_factory=list)
    messages: list[hl7.Message] = field(default_factory=list)
    taken: dict[str, hl7.Message] = field(default_factory=dict)
    error_text: str = ""
    around: Callable[[str, bool], AbstractContextManager[None]] = lambda _id, _is_repeat: (
        contextlib.nullcontext()
    )
    """What happens around an answer, by control id and whether it came before."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"mllp://127.0.0.1:{self.port}"

    def control_ids(self) -> list[str]:
        """Return MSH-10 of every message, repeats included."""
        return [str(message.segment("MSH")[10]) for message in self.messages]


@contextlib.contextmanager
def run_mllp_receiver(
    *, encoding: str = "utf-8", context: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[MllpReceiver]:
    """Run a receiver on a loopback port for the length of the block, with a context under TLS."""
    receiver = MllpReceiver()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async def take(reader, writer) -> None:
            try:
                message = await reader.readmessage()
                await _answer(receiver, message, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await start_hl7_server(
            take, "127.0.0.1", port, encoding=encoding, ssl=context, limit=1 << 24
        )
        receiver.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()
        await _end_tasks()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _end_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(receiver: MllpReceiver, message: hl7.Message, writer) -> None:
    receiver.messages.append(message)
    word, _, error = (receiver.script.pop(0) if receiver.script else "AA").partition(" ")
    if word == "silence":
        await asyncio.sleep(2)
        return
    if word == "hang":
        return
    if word == "garbage":
        writer.writeblock(b"OK")
        await writer.drain()
        return
    control_id = str(message.segment("MSH")[10])
    around = receiver.around(control_id, control_id in receiver.taken)
    if word == "AA":
        receiver.taken.setdefault(control_id, message)
    answer = message.create_ack("AA" if word == "another" else word)
    if word == "another":
        answer.segment("MSA")[2] = "ANOTHER"
    if error or receiver.error_text:
        text = f"ERR||PID^1^3|{error or '103'}|E||||{receiver.error_text}"
        answer.append(hl7.parse(f"{message.segment('MSH')!s}\r{text}\r")[1])
    with around:
        writer.writemessage(answer)
        await writer.drain()
