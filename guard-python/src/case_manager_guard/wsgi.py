"""Middleware for WSGI: Flask, Django, Bottle."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ._bearer import is_public, rejection, token_of
from .guard import Guard

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
MOST_LOGOUT_BYTES = 16 * 1024


class GuardMiddleware:
    """
    Lets only requests with a valid access token reach the application: every path but those that are public. The claims
    are in `environ["case_manager.claims"]`.

    :param public: paths without a token. One that ends with a slash stands for all that is below it
    :param logout: the path at which the broker posts logout tokens
    :param scopes: the scopes that every token must have
    """

    def __init__(
        self, app: App, guard: Guard, public: Iterable[str] = (), logout: str | None = None, scopes: Iterable[str] = ()
    ) -> None:
        self._app, self._guard, self._logout = app, guard, logout
        self._public, self._scopes = tuple(public), tuple(scopes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        if path == self._logout:
            return self._receive_logout(environ, start_response)
        if is_public(path, self._public):
            return self._app(environ, start_response)
        token = token_of(environ.get("HTTP_AUTHORIZATION"))
        decision = None if token is None else self._guard.check(token, *self._scopes)
        if decision is None or not decision.accepted:
            return _answer(start_response, *rejection(decision))
        environ["case_manager.claims"] = decision.claims
        return self._app(environ, start_response)

    def _receive_logout(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return _answer(start_response, 405, {"allow": "POST"}, b"")
        length = str(environ.get("CONTENT_LENGTH") or "0")
        size = int(length) if length.isdecimal() else MOST_LOGOUT_BYTES + 1
        body = environ["wsgi.input"].read(min(size, MOST_LOGOUT_BYTES + 1))
        status = self._guard.receive_logout(body)
        headers = {"cache-control": "no-store", "content-type": "application/json"}
        return _answer(start_response, status, headers, b'{"error":"invalid_request"}' if status == 400 else b"")


def _answer(start_response: StartResponse, status: int, headers: dict[str, str], body: bytes) -> Iterable[bytes]:
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items(), ("content-length", str(len(body)))])
    return [body]
