"""Messages in a stream of bytes: between 0x0B and 0x1C, whatever lies around them.

Standard: HL7 v2 Transport Specification: MLLP, Release 1
"""

START = b"\x0b"
END = b"\x1c"
RETURN = b"\r"
MOST_BYTES = 10 * 1024 * 1024


class OversizedMessage(ValueError):
    """A message is longer than is taken; `begin` is how it begins, so that it can be answered."""

    def __init__(self, begin: bytes, most_bytes: int) -> None:
        super().__init__(f"the message is longer than {most_bytes} bytes")
        self.begin = begin


class Deframer:
    """Cuts what arrives into messages; holds one message at most.

    What lies outside of a frame is dropped and counted in `dropped_bytes`. A start inside of a frame begins
    a new one: 0x0B is no character of a message, so the one before was cut off. The carriage return
    after 0x1C is not insisted on, and line ends between frames are nobody's.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.dropped_bytes = 0
        self._message: bytearray | None = None

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._message is not None

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has arrived; return the messages that are complete with it.

        Raises
        ------
        OversizedMessage
            What follows cannot be trusted to be in step: answer and close.
        """
        complete: list[bytes] = []
        for index, piece in enumerate(data.split(START)):
            if index:
                self._drop(self._message)
                self._message = bytearray()
            self._take(piece, complete)
        return complete

    def _take(self, piece: bytes, complete: list[bytes]) -> None:
        if self._message is None:
            self._drop(piece)
            return
        inside, end, rest = piece.partition(END)
        self._message += inside
        if len(self._message) > self.most_bytes:
            begin, self._message = bytes(self._message[:4096]), None
            raise OversizedMessage(begin, self.most_bytes)
        if end:
            complete.append(bytes(self._message))
            self._message = None
            self._drop(rest.removeprefix(RETURN))

    def _drop(self, data: bytes | bytearray | None) -> None:
        self.dropped_bytes += len((data or b"").strip(b"\r\n"))


def frame(message: bytes) -> bytes:
    """Put a message between the bytes that mark its beginning and end."""
    return START + message + END + RETURN
