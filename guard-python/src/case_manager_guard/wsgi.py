"""Middlewares for WSGI: Flask, Django, Bottle."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ._bearer import NOT_POSTED, Middleware, credentials_of, logout_answer, rejection
from ._logout import MOST_BYTES
from ._own_sessions import Sessions
from ._proofs import Request
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
        found = credentials_of(environ.get("HTTP_AUTHORIZATION"), _request(environ))
        decision = None
        if found is not None:
            token, request = found
            decision = self._guard.check(token, *self._scopes, request=request)
        if decision is None or not decision.accepted:
            return _answer(start_response, *rejection(decision, self._guard))
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


def _request(environ: Environ) -> Request:
    # Several headers come as one, which is no proof. The path comes decoded.
    path = environ.get("SCRIPT_NAME", "") + (environ.get("PATH_INFO") or "/")
    proof = environ.get("HTTP_DPOP")
    return Request(environ["REQUEST_METHOD"], quote(path, encoding="latin-1"), () if proof is None else (proof,))


def _answer(start_response: StartResponse, status: int, headers: dict[str, str], body: bytes) -> Iterable[bytes]:
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items(), ("content-length", str(len(body)))])
    return [body]
