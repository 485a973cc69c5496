"""The part that both middlewares share: which requests need a token, and what is answered without one (RFC 6750, RFC
9449)."""

from collections.abc import Iterable, Mapping
from typing import Generic, Literal, TypeVar

from ._proofs import ALGORITHMS, Request
from .guard import Decision, Guard

App = TypeVar("App")
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

REALM = 'realm="Case Manager"'
ALGS = f'algs="{" ".join(ALGORITHMS)}"'
Credentials = tuple[str, Request | None]
"""A token, and the request that brought it with the scheme `DPoP`."""


def credentials_of(authorization: str | None, request: Request) -> Credentials | None:
    """Returns the token of an Authorization header. None if there is none, or it cannot be one."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("bearer", "dpop") or not token or not token.isascii() or any(map(str.isspace, token)):
        return None
    return token, request if scheme.lower() == "dpop" else None


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


def step_up_challenge(step_up: Mapping[str, str], scheme: Literal["Bearer", "DPoP"] = "Bearer") -> str:
    """The `WWW-Authenticate` of the 401 by which an API demands what `Guard.step_up` returned (RFC 9470)."""
    return _challenge(scheme, {"error": "insufficient_user_authentication", **step_up})


def _challenge(scheme: str, members: Mapping[str, str]) -> str:
    parts = [REALM, *(f'{name}="{value}"' for name, value in members.items()), *([ALGS] if scheme == "DPoP" else [])]
    return f"{scheme} {', '.join(parts)}"


def rejection(decision: Decision | None, guard: Guard) -> Answer:
    """The answer to a request without a valid token. None: it had none."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if decision is None:
        schemes = ["Bearer", "DPoP"] if guard.public_addresses else ["Bearer"]
        challenges = ", ".join(_challenge(scheme, {}) for scheme in schemes)
        return 401, {**headers, "www-authenticate": challenges}, b'{"error":"unauthorized"}'
    if decision.status == 503:
        return 503, {**headers, "retry-after": "1"}, b'{"error":"temporarily_unavailable"}'
    members = {"error": decision.error, "error_description": decision.description}
    challenge = _challenge(decision.scheme, members)
    return decision.status, {**headers, "www-authenticate": challenge}, f'{{"error":"{decision.error}"}}'.encode()
