"""Whatever a server does, a request ends in time, within bounds, and with an outcome's name."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from urllib.parse import urljoin

import pytest

from crawler.bodies import BodyFault, decoded
from crawler.http import FetchFault, HttpClient
from tests.crawler.hostile import KINDS, MAX_BYTES, hostile_server

SHORT_SECONDS = 0.4  # the client's time for one request, where the server would take for ever
SECONDS = 30.0  # and where it should come to its end, however busy the machine is
GRACE = 3.0  # no server may stretch it
AT_ONCE = 64
REDIRECTS = 3
LEFT_OVERS = {"bad_answer", "connection_lost"}


async def outcome_of(client: HttpClient, url: str, seconds: float) -> str:
    """The outcome's name, redirects followed; raises what it should not."""
    for _ in range(REDIRECTS + 1):
        try:
            async with asyncio.timeout(seconds + GRACE):
                answer = await client.get(url, seconds=seconds, max_bytes=MAX_BYTES)
            location = answer.header("Location")
            if location is None or not 300 <= answer.status < 400:
                assert len(decoded(answer.headers, answer.body, MAX_BYTES)) <= MAX_BYTES
                return "ok"
            try:
                url = urljoin(url, location)
            except ValueError:
                return "refused_address"
        except (FetchFault, BodyFault) as fault:
            assert str(fault) and len(str(fault)) <= 400
            if fault.outcome in LEFT_OVERS:
                assert isinstance(fault, FetchFault) and fault.worth_retrying
            return fault.outcome
    return "redirect_loop"


async def outcomes(count: int, seed: int) -> dict[str, Counter[str]]:
    """By kind of misbehaviour, how often each outcome came of `count` requests."""
    found: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    gate = asyncio.Semaphore(AT_ONCE)
    async with hostile_server() as host, HttpClient("mep3m-test", [host], AT_ONCE) as client:

        async def visit(name: str, number: int) -> None:
            seconds = SHORT_SECONDS if "timeout" in KINDS[name][1] else SECONDS
            url = f"http://{host}/{name}/{seed}-{number}"
            async with gate:
                outcome = await outcome_of(client, url, seconds)
                for _ in range(5):
                    # A kept connection may hold what an earlier answer left on it; crawl and
                    # fetch try again, too.
                    if outcome in KINDS[name][1] or outcome not in LEFT_OVERS:
                        break
                    outcome = await outcome_of(client, url, seconds)
                found[name][outcome] += 1

        names = list(KINDS)
        await asyncio.gather(*(visit(names[n % len(names)], n) for n in range(count)))
    return found


def check(count: int, seed: int) -> None:
    found = asyncio.run(outcomes(count, seed))
    wrong = {name: dict(seen) for name, seen in found.items() if not seen.keys() <= KINDS[name][1]}
    assert not wrong
    assert sum(seen.total() for seen in found.values()) == count
    assert all(found.values())
    assert len({outcome for seen in found.values() for outcome in seen}) >= 9


def test_hundreds_of_hostile_answers_have_a_named_outcome_each() -> None:
    began = time.monotonic()
    check(10 * len(KINDS), 0)
    assert time.monotonic() - began < 60


@pytest.mark.soak
def test_two_thousand_hostile_answers_have_a_named_outcome_each(soak_seed: int) -> None:
    check(2_000, soak_seed)
