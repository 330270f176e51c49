"""Where a bucket is."""

from dataclasses import dataclass

from access.address import Address

DEFAULT_REGION = "us-east-1"
"""The region that services of one's own go by, where none is named."""


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A checked endpoint, a bucket of it, what stands before every key (`ward/` or nothing), and the region."""

    endpoint: Address
    bucket: str
    prefix: str = ""
    region: str = DEFAULT_REGION
