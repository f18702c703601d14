"""Names of records: from what the shop itself calls a product, never from where a file lies."""

from __future__ import annotations

import hashlib
from urllib.parse import quote


def record_id(site: str, product_id: str | None, product_url: str) -> str:
    """`<site>:<percent-encoded product id>`, or `<site>:u-<128-bit hash of the URL>` without one.

    `product_url` must be canonical already. The id survives re-crawl, re-download and re-shard.
    """
    if product_id:
        return f"{site}:{quote(product_id, safe='-._~')}"
    return f"{site}:u-{hashlib.blake2b(product_url.encode(), digest_size=16).hexdigest()}"


def order_hash(text: str) -> int:
    """A fixed 64-bit hash (BLAKE2b) for orders and splits that must not follow the alphabet."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def digest(*parts: str) -> str:
    """Hex BLAKE2b-128 over length-prefixed parts: ("ab","c") and ("a","bc") differ."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.hexdigest()
