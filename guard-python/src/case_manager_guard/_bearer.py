"""What both middlewares share: which requests need a token, and what is answered without one (RFC 6750)."""

from collections.abc import Iterable

from .guard import Decision

REALM = 'Bearer realm="Case Manager"'


def token_of(authorization: str | None) -> str | None:
    """The token of an Authorization header. None if there is none, or it cannot be one."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii() or any(char.isspace() for char in token):
        return None
    return token


def is_public(path: str, public: Iterable[str]) -> bool:
    """A path that ends with a slash stands for all that is below it."""
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in public)


def rejection(decision: Decision | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer. None: the request had no token."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if decision is None:
        return 401, {**headers, "www-authenticate": REALM}, b'{"error":"unauthorized"}'
    if decision.status == 503:
        return 503, {**headers, "retry-after": "1"}, b'{"error":"temporarily_unavailable"}'
    error = "insufficient_scope" if decision.status == 403 else "invalid_token"
    challenge = f'{REALM}, error="{error}", error_description="{decision.description}"'
    return decision.status, {**headers, "www-authenticate": challenge}, f'{{"error":"{error}"}}'.encode()
