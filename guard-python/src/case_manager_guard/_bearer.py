"""The part that both middlewares share: which requests need a token, and what is answered without one (RFC 6750)."""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from .guard import Decision, Guard

App = TypeVar("App")
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

REALM = 'Bearer realm="Case Manager"'


def token_of(authorization: str | None) -> str | None:
    """The token of an Authorization header. None if there is none, or it cannot be one."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii() or any(char.isspace() for char in token):
        return None
    return token


class Middleware(Generic[App]):
    """
    :param public: paths without a token. One that ends with a slash covers all that is below it, but "/" is the home
        page alone
    :param logout: the path at which the broker posts logout tokens
    :param scopes: the scopes that every token must have
    """

    def __init__(
        self, app: App, guard: Guard, public: Iterable[str] = (), logout: str | None = None, scopes: Iterable[str] = ()
    ) -> None:
        self._app, self._guard, self._logout = app, guard, logout
        self._public, self._scopes = tuple(public), tuple(scopes)

    def _is_public(self, path: str) -> bool:
        return path in self._public or any(one[1:].endswith("/") and path.startswith(one) for one in self._public)


NOT_POSTED: Answer = 405, {"allow": "POST"}, b""
"""A logout token is posted."""


def logout_answer(status: int) -> Answer:
    headers = {"cache-control": "no-store", "content-type": "application/json"}
    return status, headers, b'{"error":"invalid_request"}' if status == 400 else b""


def step_up_challenge(step_up: Mapping[str, str]) -> str:
    """The `WWW-Authenticate` of the 401 by which an API demands what `Guard.step_up` returned (RFC 9470)."""
    members = {"error": "insufficient_user_authentication", **step_up}
    return f"{REALM}, " + ", ".join(f'{name}="{value}"' for name, value in members.items())


def rejection(decision: Decision | None) -> Answer:
    """The answer to a request without a valid token. None: it had none."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if decision is None:
        return 401, {**headers, "www-authenticate": REALM}, b'{"error":"unauthorized"}'
    if decision.status == 503:
        return 503, {**headers, "retry-after": "1"}, b'{"error":"temporarily_unavailable"}'
    error = "insufficient_scope" if decision.status == 403 else "invalid_token"
    challenge = f'{REALM}, error="{error}", error_description="{decision.description}"'
    return decision.status, {**headers, "www-authenticate": challenge}, f'{{"error":"{error}"}}'.encode()
