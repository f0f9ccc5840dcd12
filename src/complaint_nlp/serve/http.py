"""uvicorn's HTTP protocol with a time limit for the head of a request, which they have none for.

Without it whoever sends a header line every few seconds holds a connection for ever (Slowloris). The limits of a body
are kept in :mod:`complaint_nlp.serve.gate`.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

try:  # the faster one, where it is installed
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Base
except ImportError:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Base  # type: ignore[assignment]

_TIMED_OUT: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Protocol(_Base):
    """Closes a connection on which a request does not begin, or its head does not end, in time."""

    head_timeout: ClassVar[float] = 10.0
    """Seconds in which the head of a request must have arrived, counted from its first byte, or from connecting."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Begin to watch a connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:  # a whole head has arrived
            self._unwatch()
        elif self._head_timer is None and self._is_idle():
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._unwatch()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(self.head_timeout, self._give_up)

    def _unwatch(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.write(_TIMED_OUT)
            self.transport.close()
