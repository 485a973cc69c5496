"""Middlewares for WSGI: Flask, Django, Bottle."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ._bearer import NOT_POSTED, Middleware, logout_answer, rejection, token_of
from ._logout import MOST_BYTES
from ._own_sessions import Sessions
from ._sessions import SessionState

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class GuardMiddleware(Middleware[App]):
    """
    Lets only requests with a valid access token reach the application: every path but those that are public. The claims
    are in `environ["case_manager.claims"]`.
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        if path == self._logout:
            return self._receive_logout(environ, start_response)
        if self._is_public(path):
            return self._app(environ, start_response)
        token = token_of(environ.get("HTTP_AUTHORIZATION"))
        decision = None if token is None else self._guard.check(token, *self._scopes)
        if decision is None or not decision.accepted:
            return _answer(start_response, *rejection(decision))
        environ["case_manager.claims"] = decision.claims
        return self._app(environ, start_response)

    def _receive_logout(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return _answer(start_response, *NOT_POSTED)
        length = str(environ.get("CONTENT_LENGTH") or "0")
        size = int(length) if length.isdecimal() else MOST_BYTES + 1
        body = environ["wsgi.input"].read(min(size, MOST_BYTES + 1))
        return _answer(start_response, *logout_answer(self._guard.receive_logout(body)))


class SessionMiddleware(Sessions[App, Environ]):
    """`environ["case_manager.ended"]` says why the session of the request has ended."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        judged = self._judged(environ, environ.get("PATH_INFO") or "/")
        if judged is not None and not isinstance(judged, SessionState):
            return _answer(start_response, *judged)
        if judged is not None:
            environ["case_manager.ended"] = judged
        return self._app(environ, start_response)


def _answer(start_response: StartResponse, status: int, headers: dict[str, str], body: bytes) -> Iterable[bytes]:
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items(), ("content-length", str(len(body)))])
    return [body]
