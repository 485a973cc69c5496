"""Receives logout tokens (Back-Channel Logout 1.0 §2.5 to §2.8)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from ._tokens import OLDEST_LOGOUT_SECONDS, TOLERANCE_SECONDS, Claims, Invalid, Unknown, Unsure

MOST_BYTES = 16 * 1024
MOST_REMEMBERED = 100_000


@dataclass(frozen=True)
class Logout:
    """End the session `sid`, or if it is None every session of `sub`, if it is older than `rev`. `reason` is the
    class of the reason, for the user to read, such as signed_out or ended_elsewhere. Base no decision on it."""

    sid: str | None
    sub: str | None
    rev: int | None
    reason: str | None
    jti: str


class LogoutReceiver:
    def __init__(
        self, verify: Callable[[str], Claims], sink: Callable[[Logout], None], now: Callable[[], float]
    ) -> None:
        self._verify, self._sink, self._now = verify, sink, now
        self._used: dict[str, float] = {}
        self._running: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def receive(self, body: bytes) -> int:
        """200: ended. 400: rejected for good. 503: the broker should send it again."""
        if len(body) > MOST_BYTES:
            return 400
        try:
            tokens = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=50).get("logout_token", [])
        except (UnicodeDecodeError, ValueError):
            return 400
        if len(tokens) != 1:
            return 400
        try:
            return self._end(self._verify(tokens[0]))
        except (Unknown, Unsure):
            return 503
        except Invalid:
            return 400

    def _end(self, claims: Claims) -> int:
        jti = claims["jti"]
        with self._lock:
            running = self._running.setdefault(jti, threading.Lock())
        with running:
            if self._used.get(jti, 0.0) >= self._now():
                return 400
            reason = claims.get("reason_class")
            logout = Logout(
                claims.get("sid"),
                claims.get("sub"),
                claims.get("rev"),
                reason if isinstance(reason, str) else None,
                jti,
            )
            try:
                self._sink(logout)
            except Exception:  # Whatever it is, the broker has to send the token again.
                return 503
            finally:
                with self._lock:
                    self._running.pop(jti, None)
            self._remember(jti, claims["iat"] + OLDEST_LOGOUT_SECONDS + 2 * TOLERANCE_SECONDS)
            return 200

    def _remember(self, jti: str, until: float) -> None:
        with self._lock:
            self._used[jti] = until
            if len(self._used) > MOST_REMEMBERED:
                now = self._now()
                self._used = {one: end for one, end in self._used.items() if end >= now}
            while len(self._used) > MOST_REMEMBERED:
                del self._used[next(iter(self._used))]
