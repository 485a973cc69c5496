"""Verifies the tokens of the broker by its keys (RFC 8725)."""

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import jwt
from jwt.types import Options

from ._broker import FAILURES, Broker
from ._clock import Clock
from ._ledger import is_seq

Claims = Mapping[str, Any]
TOLERANCE_SECONDS = 5
BETWEEN_READS_SECONDS = 5
LONGEST = 16 * 1024
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
OLDEST_LOGOUT_SECONDS = 600
ALGORITHMS = ("ES256", "RS256")


class Invalid(Exception):
    """The token will never be valid."""


class Unknown(Invalid):
    """Its key is unknown, and the keys were not read again for it."""


class Unsure(Exception):
    """The token may be valid: a key cannot be read, or a clock is wrong."""


class Keys:
    """The keys of the broker by `alg` and `kid`."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker, self._clock = broker, clock
        self._lock = threading.RLock()
        self._keys: dict[tuple[str, str], Any] = {}
        self._tried_at = float("-inf")
        self._failed = False
        self.read_at = float("-inf")
        """When they were last read, or could not be."""
        self.retired: set[str] = set()

    def retire(self, kids: list[str]) -> None:
        self.retired |= set(kids)

    def has(self, alg: str, kid: str) -> bool:
        return kid not in self.retired and (alg, kid) in self._keys

    def find(self, alg: str, kid: str) -> Any:
        """Returns a key, and reads the keys again where it is unknown, at most once in 5 s."""
        was_read = False
        if (alg, kid) not in self._keys and kid not in self.retired:
            with self._lock:  # What waits for another thread's reading need not read again.
                if self._clock.monotonic() - self._tried_at > BETWEEN_READS_SECONDS:
                    self.read()
                    was_read = True
        # It may have been retired while the keys were read.
        if kid in self.retired:
            raise Invalid("it is signed with a key that was withdrawn")
        key = self._keys.get((alg, kid))
        if key is not None:
            return key
        if self._failed or not self._keys:
            raise Unsure("the keys of the broker cannot be read")
        is_certain = was_read or any(kid == each for _, each in self._keys)
        raise (Invalid if is_certain else Unknown)("it is signed with a key that the broker does not publish")

    def read_once(self) -> None:
        if not self._keys:
            self.read()

    def read(self) -> None:
        with self._lock:
            self._tried_at = self.read_at = self._clock.monotonic()
            try:
                keys = {}
                for jwk in self._broker.keys():
                    is_ours = jwk.get("alg") in ALGORITHMS and jwk.get("use", "sig") == "sig"
                    if is_ours and isinstance(jwk.get("kid"), str):
                        # A key that cannot be imported does not prevent the use of the others.
                        with suppress(jwt.PyJWTError):
                            keys[jwk["alg"], jwk["kid"]] = jwt.PyJWK(jwk).key
                self._keys, self._failed = keys, False
            except FAILURES:
                self._failed = True
                # The next token of an unknown key asks again.
                self._tried_at = float("-inf") if not self._keys else self._tried_at


def bare_typ(given: object) -> object:
    """Returns the `typ` of a header in lower case, without what it may leave out (RFC 7515 §4.1.9)."""
    return given.lower().removeprefix("application/") if isinstance(given, str) else given


def _verified(
    token: str, keys: Keys, alg: str, typ: tuple[str | None, ...], issuer: str, audience: str
) -> dict[str, Any]:
    if len(token) > LONGEST:
        raise Invalid("it is too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise Invalid("it is no signed JWT") from error
    kid = header.get("kid")
    if header.get("alg") != alg:
        raise Invalid(f"it is not signed by {alg}")
    if bare_typ(header.get("typ")) not in typ or "crit" in header or not isinstance(kid, str):
        raise Invalid("it is another kind of token")
    options: Options = {
        "require": ["iss", "aud", "iat", "jti"],
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }
    try:
        claims: dict[str, Any] = jwt.decode(
            token, keys.find(alg, kid), algorithms=[alg], audience=audience, issuer=issuer, options=options
        )
    except jwt.PyJWTError as error:
        raise Invalid("its signature, issuer or audience is wrong") from error
    return claims


def numbers(claims: Claims, *names: str) -> bool:
    """Returns whether each of these claims is a number, or absent."""
    return all(type(claims[name]) in (int, float) for name in names if name in claims)


def _texts(claims: Claims, *names: str) -> bool:
    return all(isinstance(claims.get(name), str) and claims[name] for name in names)


def _is_thumbprint(cnf: object) -> bool:
    """Nothing but a thumbprint can be compared with a proof (RFC 9449 §6.1)."""
    jkt = cnf.get("jkt") if isinstance(cnf, dict) and len(cnf) == 1 else None
    return isinstance(jkt, str) and re.fullmatch(r"[A-Za-z0-9_-]{43}", jkt) is not None


def verify_access_token(token: str, keys: Keys, issuer: str, audience: str) -> tuple[Claims, str]:
    """Verifies all but the times (RFC 9068 §4). Returns the claims and the id of the key."""
    claims = _verified(token, keys, "ES256", ("at+jwt",), issuer, audience)
    optional = [name for name in ("sid", "tid") if name in claims]
    if not _texts(claims, "sub", "client_id", "jti", *optional) or not numbers(claims, "exp", "iat", "nbf"):
        raise Invalid("a claim has a wrong type")
    if "exp" not in claims or not is_seq(claims.get("rev")):
        raise Invalid("it has no exp or rev")
    if "cnf" in claims and not _is_thumbprint(claims["cnf"]):
        raise Invalid("its cnf is no thumbprint of a key")
    return claims, str(jwt.get_unverified_header(token)["kid"])


def check_times(claims: Claims, latest: float, offset: int) -> None:
    """By the clock that is ahead. What a new token would suffer too is unsure."""
    if claims["exp"] <= latest - TOLERANCE_SECONDS:
        ahead = -offset
        if ahead > TOLERANCE_SECONDS and ahead * 2 >= claims["exp"] - claims["iat"]:
            raise Unsure(f"this machine's clock is {ahead} s ahead of the broker's")
        raise Invalid("it has expired")
    if max(claims["iat"], claims.get("nbf", 0)) > latest + TOLERANCE_SECONDS:
        raise Unsure("it is not valid yet: a clock is wrong")


def verify_logout_token(token: str, keys: Keys, issuer: str, client_id: str, alg: str, now: float) -> Claims:
    """Verifies a logout token (Back-Channel Logout 1.0 §2.6), all but the replay of its `jti`."""
    claims = _verified(token, keys, alg, ("logout+jwt", None), issuer, client_id)
    events = claims.get("events")
    event = events.get(LOGOUT_EVENT) if isinstance(events, dict) and len(events) == 1 else None
    if not isinstance(event, dict) or "nonce" in claims:
        raise Invalid("it is no logout token")
    names = [name for name in ("sid", "sub") if name in claims]
    if not names or not _texts(claims, "jti", *names) or any(len(claims[name]) > 512 for name in ("jti", *names)):
        raise Invalid("it names no session and no user, or has no jti")
    if "exp" not in claims or not numbers(claims, "exp", "iat", "nbf"):
        raise Invalid("its times cannot be read")
    if "rev" in claims and not is_seq(claims["rev"]):
        raise Invalid("its rev cannot be read")
    early = max(claims["iat"], claims.get("nbf", 0)) > now + TOLERANCE_SECONDS
    late = claims["exp"] <= now - TOLERANCE_SECONDS or claims["iat"] < now - OLDEST_LOGOUT_SECONDS - TOLERANCE_SECONDS
    if early or late:
        raise Unsure("it is not valid at this time")
    return claims
