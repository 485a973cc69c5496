"""Middlewares for ASGI: FastAPI, Starlette, Quart, Django."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from ._bearer import NOT_POSTED, Middleware, credentials_of, logout_answer, rejection
from ._logout import MOST_BYTES
from ._own_sessions import RETRY, STREAM_HEADERS, Sessions, ended_event, unavailable
from ._proofs import Request
from ._sessions import SessionState

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HEARTBEAT_SECONDS = 15
"""Proxies close a connection that is silent for a minute."""
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
        sent = _values(scope, b"authorization")
        found = credentials_of(sent[0], _request(scope)) if len(sent) == 1 else None
        decision = None
        if found is not None:
            token, request = found
            decision = await self._guard.check_async(token, *self._scopes, request=request)
        if decision is None or not decision.accepted:
            return await _answer(kind, send, *rejection(decision, self._guard))
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


class SessionMiddleware(Sessions[App, Scope]):
    """
    For HTTP and WebSockets. `scope["state"]["ended"]` (`request.state.ended`) says why the session of the request has
    ended. `claims` and `end` may be coroutines.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            self._guard.start()
        if kind not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        claims = await _awaited(self._claims(scope))
        state = None if claims is None else await self._guard.check_session_async(claims)
        if state is not None and state.state == "ended":
            await _awaited(self._end(scope, state))
            scope.setdefault("state", {})["ended"] = state
        if kind == "http" and scope["path"] == self._events:
            return await self._tell(claims, state, receive, send)
        if state is not None and state.state == "unknown":
            return await _answer(kind, send, *unavailable(state))
        await self._app(scope, receive, send)

    async def _tell(self, claims: object, state: SessionState | None, receive: Receive, send: Send) -> None:
        """Sends server-sent events: silence while the session is live, then one event with the reason. It ends without
        an event if the guard cannot know; the page then connects again."""
        await send({"type": "http.response.start", "status": 200, "headers": _raw(STREAM_HEADERS)})
        await send({"type": "http.response.body", "body": RETRY, "more_body": True})
        if state is not None and state.state == "live":
            held = asyncio.ensure_future(self._guard.hold_session(claims))
            gone = asyncio.ensure_future(_disconnected(receive))
            try:
                while not held.done() and not gone.done():
                    await asyncio.wait({held, gone}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                    await send({"type": "http.response.body", "body": b": heartbeat\n\n", "more_body": True})
            finally:
                held.cancel()
                gone.cancel()
            if not held.done() or held.cancelled():
                return
            state = held.result()
        await send({"type": "http.response.body", "body": ended_event(state)})


def _values(scope: Scope, wanted: bytes) -> tuple[str, ...]:
    return tuple(value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted)


def _request(scope: Scope) -> Request:
    # A WebSocket is opened by GET.
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    return Request(scope.get("method", "GET"), path.decode("latin-1"), _values(scope, b"dpop"))


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(kind: str, send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    if kind == "websocket":  # Before it is accepted, closing answers 403.
        return await send({"type": "websocket.close", "code": 1008})
    await send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": body})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
