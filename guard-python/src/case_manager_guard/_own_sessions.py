"""The part that the session middlewares share: what is answered by the state of a session."""

import json
from collections.abc import Callable
from typing import Generic, TypeVar

from ._bearer import Answer
from ._sessions import SessionState
from .guard import Guard

App = TypeVar("App")
Request = TypeVar("Request")

RETRY = b"retry: 2000\n\n"
"""A page connects again after 2 s."""
STREAM_HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}


class Sessions(Generic[App, Request]):
    """
    Judges the session of each request, behind what reads it. A session that has ended is ended here too, and the
    request goes on as signed out. Where the guard cannot know, the answer is 503.

    :param claims: returns the claims of the ID token that opened the request's session. None: the user is signed out
    :param end: ends the request's session
    :param events: the path of the server-sent events by which an open page learns that its session has ended, and why
    """

    def __init__(
        self,
        app: App,
        guard: Guard,
        claims: Callable[[Request], object],
        end: Callable[[Request, SessionState], object],
        events: str | None = None,
    ) -> None:
        self._app, self._guard, self._claims, self._end, self._events = app, guard, claims, end, events
        guard.judge_sessions()

    def _judged(self, request: Request, path: str) -> Answer | SessionState | None:
        """Returns the answer to send instead of the application's, or the end of the session if it has ended, or None
        where it is live or the user is signed out."""
        claims = self._claims(request)
        state = None if claims is None else self._guard.check_session(claims)
        if state is not None and state.state == "ended":
            self._end(request, state)
        if path == self._events:
            # Then the page connects again: an answer that stays open would occupy a thread.
            return 200, STREAM_HEADERS, RETRY + ended_event(state)
        if state is not None and state.state == "unknown":
            return unavailable(state)
        return state if state is not None and state.state == "ended" else None


def ended_event(state: SessionState | None) -> bytes:
    """The event that tells an open page that it is signed out. Empty if it is not, or the guard cannot know."""
    if state is not None and state.state != "ended":
        return b""
    data = {"why": "signed_out"} if state is None else {"why": state.why, "reason_class": state.reason}
    return f"event: ended\ndata: {json.dumps(data)}\n\n".encode()


def unavailable(state: SessionState) -> Answer:
    headers = {"content-type": "application/json", "cache-control": "no-store", "retry-after": "1"}
    body = {"error": "temporarily_unavailable", "error_description": state.description}
    return 503, headers, json.dumps(body).encode()
