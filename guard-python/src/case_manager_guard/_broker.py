"""The guard's requests to the broker: addresses, credentials, and a limit of time and size for each answer."""

import base64
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from math import inf
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt

from ._clock import Clock
from ._ledger import is_seq, is_time

ANSWER_SECONDS = 5.0
QUESTION_SECONDS = 2.0
MOST_BYTES = 4 * 2**20
ASSERTION_SECONDS = 60
LATE_MS = 10_000
"""The longest that an answer takes. If one takes longer the machine slept, and its Date is old."""
FRESH = {"Cache-Control": "no-store"}
FAILURES = (OSError, HTTPException, ValueError, KeyError, TypeError)
"""What a request raises that got no usable answer."""


class Rejected(ValueError):
    """An answer with another status than was expected."""

    def __init__(self, path: str, status: int, retry_after: float) -> None:
        why = ": the broker rejects the client_id, or its secret or key" if status == 401 else ""
        super().__init__(f"{path} answered {status}{why}")
        self.status, self.retry_after = status, retry_after


class BrokerClock:
    """The broker's clock minus this machine's, by the Date of its answers. It is kept by a clock that is never set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: float | None = None

    def heard(self, date: str | None, sent_ms: float) -> None:
        """`sent_ms`: the time of `elapsed_ms` when the request was sent."""
        if date is not None and self._clock.elapsed_ms() - sent_ms <= LATE_MS:
            with suppress(ValueError):  # One that cannot be read says nothing.
                self._ahead = parsedate_to_datetime(date).timestamp() + 0.5 - self._clock.elapsed_ms() / 1000

    @property
    def offset(self) -> int:
        if self._ahead is None:
            return 0
        offset = self._ahead + self._clock.elapsed_ms() / 1000 - self._clock.wall()
        return 0 if abs(offset) < 2 else round(offset)

    def now(self) -> float:
        """Epoch seconds by the broker's clock."""
        return self._clock.wall() + self.offset

    def latest(self) -> float:
        """Epoch seconds by the clock that is ahead."""
        return self._clock.wall() + max(0, self.offset)

    def earliest(self) -> float:
        """Epoch seconds by the clock that is behind. -inf where the broker's is not known."""
        return -inf if self._ahead is None else self._clock.wall() + min(0, self.offset)


def shut(connection: socket.socket | None) -> None:
    """Ends a connection that another thread reads."""
    try:
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # It has ended.


@contextmanager
def limited(connection: socket.socket | None, seconds: float) -> Iterator[None]:
    """Limits the time of a whole answer. The timeout of a socket limits only each of its pieces."""
    timer = threading.Timer(seconds, shut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Credentials:
    """
    HTTP Basic with the secret (RFC 6749 §2.3.1), or an assertion (RFC 7523): by the private key, or the token of the
    platform's workload.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        secret: str | None,
        key: Mapping[str, Any] | None,
        assertion: Callable[[], str] | None = None,
    ) -> None:
        if [secret, key, assertion].count(None) != 2:
            raise ValueError("give one of client_secret, client_key and client_assertion")
        self._issuer, self._client_id, self._secret, self._assertion = issuer, client_id, secret, assertion
        self._key = None if key is None else jwt.PyJWK(dict(key))
        self._kid = None if key is None else key.get("kid")

    @property
    def by_assertion(self) -> bool:
        return self._secret is None

    def headers(self) -> dict[str, str]:
        if self._secret is None:
            return {}
        basic = f"{quote_plus(self._client_id)}:{quote_plus(self._secret)}".encode()
        return {"Authorization": "Basic " + base64.b64encode(basic).decode()}

    def members(self, now: float) -> dict[str, str]:
        """The parameters of a request, each time with a new assertion. None with a secret."""
        if self._secret is not None:
            return {}
        assertion = self._signed(now) if self._assertion is None else self._assertion()
        return {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }

    def _signed(self, now: float) -> str:
        assert self._key is not None
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": int(now),
            "exp": int(now) + ASSERTION_SECONDS,
        }
        headers = {} if self._kid is None else {"kid": self._kid}
        return jwt.encode(claims, self._key.key, self._key.algorithm_name, headers)


class Broker:
    def __init__(self, issuer: str, credentials: Credentials, clock: Clock) -> None:
        self.issuer, self.clock = issuer, BrokerClock(clock)
        self._credentials, self._elapsed_ms = credentials, clock.elapsed_ms
        self._issuer_checked = False
        parts = urlsplit(issuer)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"issuer must be an address of http or https, and is {issuer}")
        self._address, self._path = parts.netloc, parts.path
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection

    def check_issuer(self) -> None:
        """Compares the issuer of the discovery document once. Under an alias the feed would work, and each token be
        rejected for its `iss`. If the document cannot be read, it is compared the next time.

        :raises ValueError: it is another
        """
        if self._issuer_checked:
            return
        try:
            found = self._json("GET", "/.well-known/openid-configuration", {}, None)["issuer"]
        except FAILURES:
            return
        if found != self.issuer:
            raise ValueError(f"issuer is set to {self.issuer}, but the broker there is {found}")
        self._issuer_checked = True

    def keys(self) -> list[dict[str, Any]]:
        keys = self._json("GET", "/jwks", dict(FRESH), None)["keys"]
        if not isinstance(keys, list):
            raise TypeError("keys")
        return keys

    def poll(
        self,
        guard: str,
        stream: str | None,
        position: tuple[str, int] | None,
        on_send: Callable[[], None],
        sessions: bool,
    ) -> dict[str, Any]:
        """Reads a page of the log. `stream` is the name that the last answer gave to the polls of this process."""
        nonce = new_nonce()
        query = {"guard": guard, "nonce": nonce, **({"sessions": "1"} if sessions else {})}
        if stream is not None:
            query["stream"] = stream
        if position is not None:
            query.update(epoch=position[0], after=str(position[1]))
        return must_repeat(nonce, self._asked("/revocations", query, {"Accept": "application/json", **FRESH}, on_send))

    def clock_now(self) -> dict[str, Any]:
        nonce = new_nonce()
        return must_repeat(nonce, self._asked("/revocations/clock", {"nonce": nonce}, dict(FRESH), lambda: None))

    def is_active(self, token: str) -> bool:
        active = self._question("/introspect", {"token": token}).get("active")
        if not isinstance(active, bool):
            raise ValueError("the answer about a token cannot be read")
        return active

    def ask_session(self, sid: str, sub: str, rev: int | None) -> tuple[int, float] | None:
        """Asks whether a session is live, and no revocation after `rev` has ended it. Returns its new `rev` and
        `session_expiry`, or None if it is not active."""
        form = {"sid": sid, "sub": sub, **({} if rev is None else {"rev": str(rev)})}
        answer = self._question("/revocations/session", form)
        if answer.get("active") is False:
            return None
        if answer.get("active") is not True or not is_seq(answer["rev"]) or not is_time(answer["session_expiry"]):
            raise ValueError("the answer about a session cannot be read")
        return answer["rev"], answer["session_expiry"]

    def _question(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        form = {**form, **self._credentials.members(self.clock.now())}
        headers = {**self._credentials.headers(), "Content-Type": "application/x-www-form-urlencoded"}
        return self._json("POST", path, headers, urlencode(form), seconds=QUESTION_SECONDS)

    def report(self, report: dict[str, Any]) -> int:
        """Returns the status of the answer."""
        body = json.dumps({**report, **self._credentials.members(self.clock.now())})
        headers = {**self._credentials.headers(), "Content-Type": "application/json"}
        return self._answer("POST", "/revocations/enforced", headers, body, ANSWER_SECONDS, lambda: None)[0].status

    @contextmanager
    def stream(
        self, guard: str, last_event_id: str | None, silence: float, on_send: Callable[[str], None], sessions: bool
    ) -> Iterator[tuple[HTTPResponse, socket.socket]]:
        """Opens the feed. `silence`: the seconds without a byte that are allowed, until the caller sets others.
        `on_send` gets the random value that the anchor must repeat."""
        nonce = new_nonce()
        query = {"guard": guard, "nonce": nonce, **({"sessions": "1"} if sessions else {})}
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None and self._credentials.by_assertion:
            query["last_event_id"] = last_event_id
        elif last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        connection = self._kind(self._address, timeout=ANSWER_SECONDS)
        try:
            method, path, body = self._method("/revocations", query, headers)
            sent_ms = self._elapsed_ms()
            on_send(nonce)
            connection.connect()
            opened = connection.sock
            with limited(opened, ANSWER_SECONDS):
                connection.request(method, self._path + path, body, headers)
                response = connection.getresponse()
            opened.settimeout(silence)
            self.clock.heard(response.headers["Date"], sent_ms)
            if response.status != 200:
                raise Rejected("/revocations", response.status, retry_after(response))
            if not (response.headers["Content-Type"] or "").startswith("text/event-stream"):
                raise ValueError(f"/revocations answered {response.headers['Content-Type']}")
            yield response, opened
        finally:
            connection.close()

    def _method(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[str, str, str | None]:
        """An assertion must not be in an address, so a client with a key sends a form."""
        headers.update(self._credentials.headers())
        if not self._credentials.by_assertion:
            return "GET", f"{path}?{urlencode(query)}" if query else path, None
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return "POST", path, urlencode({**query, **self._credentials.members(self.clock.now())})

    def _asked(
        self, path: str, query: dict[str, str], headers: dict[str, str], on_send: Callable[[], None]
    ) -> dict[str, Any]:
        method, address, body = self._method(path, query, headers)
        return self._json(method, address, headers, body, on_send=on_send)

    def _json(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: str | None,
        seconds: float = ANSWER_SECONDS,
        on_send: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        response, text = self._answer(method, path, headers, body, seconds, on_send)
        if response.status != 200:
            raise Rejected(path.partition("?")[0], response.status, retry_after(response))
        answer = json.loads(text)
        if not isinstance(answer, dict):
            raise TypeError(path)
        return answer

    def _answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: str | None,
        seconds: float,
        on_send: Callable[[], None],
    ) -> tuple[HTTPResponse, bytes]:
        connection = self._kind(self._address, timeout=seconds)
        try:
            sent_ms = self._elapsed_ms()
            on_send()
            connection.connect()
            with limited(connection.sock, seconds):
                connection.request(method, self._path + path, body, headers)
                response = connection.getresponse()
                text = response.read(MOST_BYTES + 1)
            if len(text) > MOST_BYTES:
                raise ValueError(f"{path} answered too much")
            self.clock.heard(response.headers["Date"], sent_ms)
            return response, text
        finally:
            connection.close()


def new_nonce() -> str:
    return secrets.token_urlsafe(16)


def must_repeat(nonce: str, answer: dict[str, Any]) -> dict[str, Any]:
    """
    :raises ValueError: it is the answer to another request, from a cache, or the broker is older than this guard
    """
    if answer.get("nonce") != nonce:
        raise ValueError("an answer to another request: let no cache answer, and update the broker before its guards")
    return answer


def retry_after(response: HTTPResponse) -> float:
    value = response.headers["Retry-After"] or ""
    return float(value) if value.isdecimal() and len(value) < 6 else 0.0
