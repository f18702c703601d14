"""When a host may be asked for a picture, and by whom: its gate's turns, and the rules for it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from crawler.politeness import HostGate
from runtime.config import Config
from runtime.tombstones import Tombstones

MAX_NAP_SECONDS = 1.0  # the wall clock may be set while a turn is waited for


@dataclass(frozen=True)
class HostRules:
    """Whom the requests to one host are made for, and what holds for them."""

    host: str
    config: Config
    allow_private: frozenset[str]
    tombstones: Tombstones = field(default_factory=Tombstones)

    @property
    def may_ask(self) -> bool:
        """Whether the network may be asked: a public host only by somebody who can be reached."""
        return bool(self.config.contact) or self.host in self.allow_private


class HostTurns:
    """Turns at the host's gate, first come, first served."""

    def __init__(self, gate: HostGate) -> None:
        self.gate = gate
        self._queue, self._freed = asyncio.Lock(), asyncio.Event()

    async def take(self) -> None:
        """Wait until the host may be asked, and take a place."""
        async with self._queue:
            while True:
                ready, now = self.gate.ready_at(), time.time()
                if ready is None:
                    self._freed.clear()
                    await self._freed.wait()
                elif ready <= now:
                    self.gate.start(now)
                    return
                else:
                    await asyncio.sleep(min(max(0.0005, ready - now), MAX_NAP_SECONDS))

    def give_back(self) -> None:
        """The request ended, well or badly."""
        self.gate.finish()
        self._freed.set()
