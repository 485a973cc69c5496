"""Middleware for ASGI: FastAPI, Starlette, Quart, Django."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ._bearer import NOT_POSTED, Middleware, logout_answer, rejection, token_of
from ._logout import MOST_BYTES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class GuardMiddleware(Middleware[App]):
    """
    Lets only requests with a valid access token reach the application: HTTP and WebSockets, every path but those that
    are public. The claims are in `scope["state"]["claims"]` (`request.state.claims`).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            self._guard.start()
        if kind == "http" and scope["path"] == self._logout:
            return await self._receive_logout(scope, receive, send)
        if kind not in ("http", "websocket") or self._is_public(scope["path"]):
            return await self._app(scope, receive, send)
        sent = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        token = token_of(sent[0].decode("latin-1")) if len(sent) == 1 else None
        decision = None if token is None else await self._guard.check_async(token, *self._scopes)
        if decision is None or not decision.accepted:
            return await _answer(kind, send, *rejection(decision))
        scope.setdefault("state", {})["claims"] = decision.claims
        await self._app(scope, receive, send)

    async def _receive_logout(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            return await _answer("http", send, *NOT_POSTED)
        body, more = b"", True
        while more and len(body) <= MOST_BYTES:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status = await asyncio.to_thread(self._guard.receive_logout, body)
        await _answer("http", send, *logout_answer(status))


async def _answer(kind: str, send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    if kind == "websocket":  # Before it is accepted, closing answers 403.
        return await send({"type": "websocket.close", "code": 1008})
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
