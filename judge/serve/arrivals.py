"""Bodies that are on their way: they hold places of the server, but not at the cost of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BODY_SECONDS = 30.0
"""A body that is not there after these is given up."""
YIELDS_AFTER = 1.0
"""Seconds after which a body that is not there yet makes room for another request."""


class Arrivals:
    """The bodies that are being read, the oldest first. For one event loop."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Timeout, float] = {}

    @asynccontextmanager
    async def one(self, deadline: float) -> AsyncIterator[None]:
        """Read a body inside.

        Args:
            deadline: on the event loop's clock.

        Raises:
            TimeoutError: when it is not there in time, or was given up.
        """
        now = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(min(deadline, now + BODY_SECONDS)) as waited:
            self._since[waited] = now
            try:
                yield
            finally:
                self._since.pop(waited, None)

    def give_up_oldest(self) -> bool:
        """Give up the body that has been longest on its way; say whether one was slow enough."""
        now = asyncio.get_running_loop().time()
        oldest = next(iter(self._since.items()), None)
        if oldest is None or now - oldest[1] < YIELDS_AFTER:
            return False
        self._give_up(oldest[0], now)
        return True

    def give_up_all(self) -> None:
        """Give up every body: none of them was accepted."""
        now = asyncio.get_running_loop().time()
        for waited in list(self._since):
            self._give_up(waited, now)

    def _give_up(self, waited: asyncio.Timeout, now: float) -> None:
        del self._since[waited]
        waited.reschedule(now)
