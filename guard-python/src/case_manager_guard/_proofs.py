"""Verifies that who sends a token holds the key to which it is bound (DPoP, RFC 9449 §4.3). A proof counts once."""

import hashlib
import hmac
import json
import re
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import jwt

from ._tokens import Claims, Invalid, Unsure, bare_typ, numbers

ALGORITHMS = ("ES256", "PS256", "EdDSA")
LONGEST = 4096
LONGEST_ID = 255
PAST_SECONDS = 60
AHEAD_SECONDS = 30
MOST_PROOFS = 250_000
"""Some 30 MB. In a minute no process verifies many more."""
SLICE_SECONDS = 16
LEAST_RSA_BITS = 2048
NO_PROOF = (
    "Send one DPoP header, with a JWT of typ dpop+jwt, signed by the public key in its jwk with ES256, PS256, EdDSA."
)
MEMBERS = {"ES256": ("crv", "kty", "x", "y"), "PS256": ("e", "kty", "n"), "EdDSA": ("crv", "kty", "x")}
"""What the thumbprint of a key is made of (RFC 7638 §3.2, RFC 8037 §2)."""
FIXED = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "PS256": {"kty": "RSA", "e": "AQAB"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}


@dataclass(frozen=True)
class Request:
    """
    A request that brings its access token with the scheme `DPoP`.

    :param path: as the client sent it, behind the public address
    :param proofs: the values of its `DPoP` headers
    """

    method: str
    path: str
    proofs: tuple[str, ...]


class Unbound(Invalid):
    """The scheme of the request does not fit the token."""


class Unproved(Invalid):
    """The proof is wrong: the client needs another one, and no other token."""


class Proofs:
    """
    :param addresses: the addresses by which clients reach this API
    :param now: reads the broker's clock, in epoch seconds
    """

    def __init__(self, addresses: tuple[str, ...], now: Callable[[], float]) -> None:
        self._addresses, self._now = addresses, now
        self._used = UsedProofs(MOST_PROOFS)

    def judge(self, token: str, claims: Claims, request: Request | None) -> None:
        """
        Uses up the proof. `request` is None for a token that came as Bearer.

        :raises Invalid: the key of the token is not proved
        :raises Unsure: this process remembers too many proofs
        """
        if "cnf" not in claims:
            if request is not None:
                raise Unbound("It is not bound to a key: send it as Bearer, without a proof.")
            return
        if request is None:
            raise Unbound("It is bound to a key: send it with the scheme DPoP and a proof.")
        if not self._addresses:
            raise Unbound("It is bound to a key, and this API does not know its own public address.")
        jkt = claims["cnf"]["jkt"]
        proof = _verified(request.proofs[0] if len(request.proofs) == 1 else "", jkt)
        now = self._now()
        self._must_fit(proof, request)
        _must_be_in_time(proof, now)
        if proof.get("ath") != digest(token):
            raise Unproved("The ath of the proof must be the SHA-256 of the access token.")
        proof_id = hashlib.sha256((jkt + proof["jti"]).encode("utf-8", "surrogatepass")).digest()
        use = self._used.use(proof_id, proof["iat"], now)
        if use == "used":
            raise Unproved("The jti of the proof was used before: make a proof for each request.")
        if use == "full":
            raise Unsure("too many proofs were used lately")

    def _must_fit(self, proof: dict[str, Any], request: Request) -> None:
        jti, htu = proof.get("jti"), proof.get("htu")
        if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_ID:
            raise Unproved(f"The jti of the proof must be a new random string of at most {LONGEST_ID} characters.")
        if proof.get("htm") != request.method:
            raise Unproved("The htm of the proof must be the method of the request.")
        target = normal(htu) if isinstance(htu, str) and request.path.startswith("/") else None
        if target is None or target not in [normal(address + request.path) for address in self._addresses]:
            raise Unproved("The htu of the proof must be the address of the request.")


def _verified(proof: str, jkt: str) -> dict[str, Any]:
    """Returns the claims of a proof by the key with this thumbprint."""
    try:
        header = jwt.get_unverified_header(proof) if len(proof) <= LONGEST else {}
        alg, jwk = header["alg"], header["jwk"]
        if bare_typ(header["typ"]) != "dpop+jwt" or "crit" in header or "d" in jwk:
            raise ValueError
        if {name: jwk[name] for name in FIXED[alg]} != FIXED[alg]:
            raise ValueError
        members = {name: jwk[name] for name in MEMBERS[alg]}
        if not hmac.compare_digest(digest(json.dumps(members, sort_keys=True, separators=(",", ":"))), jkt):
            raise Unproved("Send a DPoP proof by the key that the access token is bound to.")
        key = jwt.PyJWK(members, alg).key
        if alg == "PS256" and key.key_size < LEAST_RSA_BITS:
            raise ValueError
        claims = json.loads(jwt.PyJWS().decode(proof, key, algorithms=[alg]))
    except Unproved:
        raise
    except Exception as error:  # What the client sent has any form, and nothing in it is accepted unread.
        raise Unproved(NO_PROOF) from error
    if not isinstance(claims, dict):
        raise Unproved(NO_PROOF)
    return claims


def digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _must_be_in_time(proof: dict[str, Any], now: float) -> None:
    is_new = numbers(proof, "iat") and now - PAST_SECONDS <= proof.get("iat", inf) <= now + AHEAD_SECONDS
    if not is_new:
        raise Unproved(f"The iat of the proof must be the time of the request: the clock of the broker says {int(now)}.")
    is_begun = numbers(proof, "nbf") and proof.get("nbf", now) <= now + AHEAD_SECONDS
    is_over = not numbers(proof, "exp") or not proof.get("exp", inf) > now
    if not is_begun or is_over:
        raise Unproved(f"By its nbf or exp the proof is not valid now: the clock of the broker says {int(now)}.")


def normal(address: str) -> tuple[str, str, int, list[bytes]] | None:
    """Returns the parts of an address that are compared (RFC 3986 §6.2), without query and fragment. None: it has none."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or "@" in parts.netloc or not address.isascii():
        return None
    # A slash that is encoded divides nothing.
    return parts.scheme, parts.hostname, port, [unquote_to_bytes(part) for part in (parts.path or "/").split("/")]


def addresses_of(given: str | Iterable[str] | None) -> tuple[str, ...]:
    """
    :raises ValueError: one of them is no base address
    """
    addresses = (given,) if isinstance(given, str) else tuple(given or ())
    for address in addresses:
        parts = normal(address)
        is_safe = parts is not None and (parts[0] == "https" or parts[1] in ("localhost", "127.0.0.1", "::1"))
        if not is_safe or re.search(r"[?#]|/$", address):
            raise ValueError(
                "public_address must be an https address without a trailing slash, e.g. https://cases.example "
                f"(http only on localhost), and is {address}"
            )
    return addresses


class UsedProofs:
    """
    The ids of the proofs that were used. An id is kept as long as a proof of its `iat` is accepted, also by a clock that
    is set back meanwhile.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._slices: dict[int, set[bytes]] = {}
        self._size = 0
        self._from = 0
        """Older proofs may have been forgotten."""

    def use(self, proof_id: bytes, iat: float, now: float) -> str:
        """Returns `first`, `used` or `full`."""
        with self._lock:
            self._forget(now - PAST_SECONDS)
            if iat < self._from or any(proof_id in each for each in self._slices.values()):
                return "used"
            if self._size >= self._limit:
                return "full"
            self._slices.setdefault(int(iat // SLICE_SECONDS), set()).add(proof_id)
            self._size += 1
            return "first"

    def _forget(self, before: float) -> None:
        for at in [at for at in self._slices if (at + 1) * SLICE_SECONDS <= before]:
            self._size -= len(self._slices.pop(at))
            self._from = max(self._from, (at + 1) * SLICE_SECONDS)
