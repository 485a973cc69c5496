"""The guard: one object for a process."""

import asyncio
import logging
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from math import ceil
from types import TracebackType
from typing import Any, Literal, Protocol

from ._broker import FAILURES, Broker, Credentials
from ._clock import Clock
from ._feed import Feed
from ._lease import Lease
from ._ledger import Revocation
from ._listener import Listener
from ._logout import Logout, LogoutReceiver
from ._poll import Poller
from ._problems import Problems
from ._proofs import Proofs, Request, Unbound, Unproved, addresses_of
from ._report import Reporter, repeat_seconds
from ._sessions import SessionChecker, SessionState
from ._strength import step_up_for
from ._stream import Stream
from ._tokens import TOLERANCE_SECONDS, Claims, Invalid, Keys, Unsure, check_times, verify_access_token, verify_logout_token

VERSION = f"case-manager-guard-python/{version('case-manager-guard')}"
MOST_TOKENS = 10_000
LONGEST_SECONDS, LONGEST_SESSION_SECONDS = 3660, 90 * 86_400
"""No token that a revocation covers is valid longer, and no session that a broker can be set to."""
HOLD_SECONDS = 0.5
NO_SINK = "give the guard an on_logout, which does nothing where the application has no sessions of its own"


@dataclass(frozen=True)
class Decision:
    """200: accepted, with `claims`. 401: rejected. 403: a scope is missing. 503: the guard cannot know; try again.
    `scheme` and `error` are for the challenge of a 401 or 403 (RFC 6750 §3, RFC 9449 §7.1)."""

    status: Literal[200, 401, 403, 503]
    claims: Claims
    description: str
    scheme: Literal["Bearer", "DPoP"] = "Bearer"
    error: Literal["", "invalid_token", "invalid_dpop_proof", "insufficient_scope"] = ""

    @property
    def accepted(self) -> bool:
        return self.status == 200


class _Follower(Protocol):
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def start_over(self) -> None: ...
    def catch_up(self) -> None: ...
    def catch_up_to(self, seq: int) -> None: ...


class Guard:
    """
    Checks access tokens. Safe for threads; for asyncio use `check_async`. A forked process starts anew by itself.

    :param audience: the `aud` that tokens for this instance have, by default `urn:case-manager:instance:<client_id>`
    :param public_address: the addresses by which clients reach this API, as they write them in a proof: scheme, host,
        and what a proxy cuts from the path. Without one no token that is bound to a key is accepted
    :param client_key: a private JWK instead of `client_secret`
    :param client_assertion: returns the token of the client's workload (`workload_jwt`), instead of `client_secret`. It
        is called for each request to the broker: read the token's file there, because the platform replaces it
    :param guard: the name of this process at the broker, 1 to 64 of `A-Z a-z 0-9 . _ -`
    :param poll: True to ask for revocations when tokens are checked, without a stream and without threads between
    :param without_lease: what to do with a valid token while the guard cannot know what is revoked: reject it with 503,
        or ask the broker about it
    :param on_revocation: called for each new revocation, from a thread of the guard; `covers` finds the sessions. If it
        raises, it is called again, and until it has succeeded the broker gets no report of the revocation
    :param on_logout: ends the sessions that a logout token names. If it raises, the broker sends the token again
    :param logout_alg: the client's `id_token_signed_response_alg`
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | None = None,
        client_key: Mapping[str, Any] | None = None,
        client_assertion: Callable[[], str] | None = None,
        audience: str | None = None,
        public_address: str | Iterable[str] | None = None,
        guard: str | None = None,
        poll: bool = False,
        without_lease: Literal["reject", "introspect"] = "reject",
        on_revocation: Callable[[Revocation], None] | None = None,
        on_logout: Callable[[Logout], None] | None = None,
        logout_alg: Literal["RS256", "ES256"] = "RS256",
        log: logging.Logger | None = None,
        clock: Clock | None = None,
    ) -> None:
        if without_lease not in ("reject", "introspect"):
            raise ValueError(f"without_lease must be reject or introspect, and is {without_lease}")
        self._credentials = Credentials(issuer, client_id, client_secret, client_key, client_assertion)
        self._issuer, self._client_id = issuer, client_id
        self._audience = audience or f"urn:case-manager:instance:{client_id}"
        self.public_addresses = addresses_of(public_address)
        self._name, self._by_poll, self._without_lease = guard, poll, without_lease
        self._on_revocation, self._on_logout, self._logout_alg = on_revocation, on_logout, logout_alg
        self._problems = Problems(log or logging.getLogger("case_manager_guard"))
        self._clock = clock or Clock()
        self._process: int | None = None
        self._judges_sessions = False
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begins to follow the broker. Does not wait: until the guard is ready it answers 503."""
        with self._starting:
            if self._process == os.getpid():
                return
            self._assemble()
            self._process = os.getpid()
        runs = [self._follower.run, self._reporter.run, self._listener.run]
        for run in runs:
            threading.Thread(target=run, name="case-manager-guard", daemon=True).start()

    def _assemble(self) -> None:
        name = self._name or f"python-{uuid.uuid4().hex[:8]}"
        self._broker = Broker(self._issuer, self._credentials, self._clock)
        self._lease = Lease(self._clock, self._problems)
        self._keys = Keys(self._broker, self._clock)
        self._listener = Listener(self._on_revocation, self._clock, self._problems, lambda: self._feed.report_due.set())
        self._feed = Feed(self._broker, self._clock, self._keys, self._lease, self._listener, _beside)
        self._feed.sessions = self._judges_sessions
        self._follower: _Follower = (
            Poller(self._broker, self._clock, self._keys, self._feed, self._lease, name, self._problems)
            if self._by_poll
            else Stream(self._broker, self._clock, self._keys, self._feed, self._lease, name, self._problems)
        )
        self._reporter = Reporter(
            self._broker,
            self._clock,
            self._feed,
            self._lease,
            self._listener,
            self._problems,
            lambda: self._about(name),
            self._other_log,
        )
        self._sessions = SessionChecker(
            self._broker,
            self._clock,
            self._feed,
            self._lease,
            self._client_id,
            self._without_lease == "introspect",
            self._follower.catch_up_to,
        )
        self._logouts = LogoutReceiver(self._verify_logout, self._ended, self._broker.clock.now)
        self._proofs = Proofs(self.public_addresses, self._broker.clock.now)
        self._seen: OrderedDict[str, tuple[Claims, str]] = OrderedDict()

    def stop(self) -> None:
        """Closes the connection to the broker. A stopped guard accepts nothing and cannot start again."""
        if self._process == os.getpid():
            with self._feed.lock:
                self._feed.stop()
            for part in (self._follower, self._reporter, self._listener):
                part.stop()

    def __enter__(self) -> "Guard":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self, token: str, *scopes: str, request: Request | None = None) -> Decision:
        """Decides about an access token, and whether it has all these scopes. Waits for the network only where it must
        read a new key, poll, or introspect.

        :param request: what brought the token with the scheme `DPoP`. Its proof is used up. None: it came as Bearer
        """
        if self._process != os.getpid():
            self.start()
        self._follower.catch_up()
        decision = self._decide(token, request)
        missing = [one for one in scopes if one not in str(decision.claims.get("scope", "")).split()]
        if decision.accepted and missing:
            description = f"it needs the scope {' '.join(missing)}"
            return Decision(403, decision.claims, description, decision.scheme, "insufficient_scope")
        return decision

    async def check_async(self, token: str, *scopes: str, request: Request | None = None) -> Decision:
        """The same for asyncio: what may wait for the network runs in a thread."""
        if self._process == os.getpid() and not self._by_poll and token in self._seen and self._lease.held:
            return self.check(token, *scopes, request=request)
        return await asyncio.to_thread(self.check, token, *scopes, request=request)

    def step_up(
        self, claims: Mapping[str, Any], *, acr: str | None = None, max_age: int | None = None
    ) -> dict[str, str]:
        """Returns the parameters that the instance adds to its authorization request (`acr_values`, `max_age`), so that
        the user authenticates as an act demands. Empty if the claims of an access token, or of the ID token of a
        session, show it already.

        :param acr: the least that must be proved: `phr` for a phishing-resistant proof
        :param max_age: the greatest age of the authentication, in seconds
        """
        if self._process != os.getpid():
            self.start()
        return step_up_for(claims, acr, max_age, self._broker.clock.now() - TOLERANCE_SECONDS)

    def judge_sessions(self) -> None:
        """Declares that this process judges the instance's own sessions, so that the broker sends what that needs, and
        its receipts count this guard for sessions. The middleware calls it. After `start` the guard reconnects."""
        with self._starting:
            if self._judges_sessions:
                return
            self._judges_sessions = True
            if self._process != os.getpid():
                return
            with self._feed.lock:
                self._feed.judge_sessions()
        self._follower.start_over()

    def check_session(self, session: object) -> SessionState:
        """Decides whether an instance's own session is live now, by the claims of the ID token that opened it: `iss`,
        `aud`, `sub`, `sid`, `tenant`, `rev`, `iat` and `session_expiry`. Waits for the network only where it must poll,
        or ask the broker about the session once."""
        if self._process != os.getpid():
            self.start()
        self._follower.catch_up()
        return self._sessions.check(session)

    async def check_session_async(self, session: object) -> SessionState:
        """The same for asyncio: what may wait for the network runs in a thread."""
        if self._process == os.getpid() and not self._by_poll and self._sessions.is_known(session):
            return self.check_session(session)
        return await asyncio.to_thread(self.check_session, session)

    async def hold_session(self, session: object) -> SessionState:
        """Returns as soon as a session is no longer live: it has ended, or the guard cannot know. Close what it has
        opened then, such as a WebSocket."""
        while (state := await self.check_session_async(session)).state == "live":
            await asyncio.sleep(HOLD_SECONDS)
        return state

    def receive_logout(self, body: bytes) -> int:
        """Takes the form that the broker posts to the logout address. Returns the status to answer with."""
        if self._process != os.getpid():
            self.start()
        return self._logouts.receive(body)

    def _decide(self, token: str, request: Request | None) -> Decision:
        scheme: Literal["Bearer", "DPoP"] = "Bearer" if request is None else "DPoP"
        try:
            self._must_be_ready()
            claims, kid = self._seen.get(token) or verify_access_token(token, self._keys, self._issuer, self._audience)
            if request is not None or "cnf" in claims:
                with self._feed.lock:
                    self._must_be_valid(claims, kid)
                self._proofs.judge(token, claims, request)
            with self._feed.lock:
                self._must_be_ready()
                self._must_be_valid(claims, kid)
                self._remember(token, claims, kid)
                self._follower.catch_up_to(claims["rev"])
                if self._lease.held:
                    return Decision(200, claims, "", scheme)
            if self._without_lease == "reject":
                raise Unsure("the guard holds no lease")
            if not self._broker.is_active(token):
                raise Invalid("the broker says that it is no longer valid")
            with self._feed.lock:
                self._must_be_ready()
                self._must_be_valid(claims, kid)
            return Decision(200, claims, "", scheme)
        except Unproved as error:
            return Decision(401, {}, str(error), "DPoP", "invalid_dpop_proof")
        except Unbound as error:
            return Decision(401, {}, str(error), "DPoP", "invalid_token")
        except Invalid as error:
            return Decision(401, {}, str(error), scheme, "invalid_token")
        except Unsure as error:
            return Decision(503, {}, str(error))
        except FAILURES:
            return Decision(503, {}, "the broker cannot be asked whether it is revoked")

    def _must_be_ready(self) -> None:
        """
        :raises Unsure: it was stopped, or the log is not known, or another one has begun
        """
        if not self._feed.ready:
            raise Unsure("the guard has not heard from the broker yet")

    def _remember(self, token: str, claims: Claims, kid: str) -> None:
        self._seen.setdefault(token, (claims, kid))
        if len(self._seen) > MOST_TOKENS:
            self._seen.popitem(last=False)

    def _must_be_valid(self, claims: Claims, kid: str) -> None:
        """
        :raises Invalid: it is revoked, or its key was withdrawn
        :raises Unsure: a clock is wrong
        """
        if not self._keys.has("ES256", kid):
            raise Invalid("it is signed with a key that was withdrawn")
        latest = max(self._broker.clock.latest(), self._feed.ledger.swept_at)
        check_times(claims, latest, self._broker.clock.offset)
        if self._feed.ledger.revokes(claims):
            raise Invalid("it has been revoked")
        if not self._feed.ledger.brings(claims.get("tid")):
            raise Invalid("it is of a tenant for which this client is not registered")

    def _verify_logout(self, token: str) -> Claims:
        claims = verify_logout_token(
            token, self._keys, self._issuer, self._client_id, self._logout_alg, self._broker.clock.now()
        )
        return claims

    def _ended(self, logout: Logout) -> None:
        """Enforces a logout token at once, and hands it to the application.

        :raises Exception: the application has not ended the sessions
        """
        if logout.rev is not None:
            self._follower.catch_up_to(logout.rev)
            kind, selector = (
                ("session", {"sid": logout.sid}) if logout.sid is not None else ("subject", {"sub": str(logout.sub)})
            )
            with self._feed.lock:
                now = self._broker.clock.now()
                session_exp = now + LONGEST_SESSION_SECONDS if self._judges_sessions else None
                exp = now + LONGEST_SECONDS
                self._feed.log_out(Revocation(logout.rev, kind, selector, exp, logout.reason, session_exp))
        try:
            if self._on_logout is not None:
                self._on_logout(logout)
            elif logout.rev is None or not (self._judges_sessions or self._on_revocation):
                raise ValueError(NO_SINK)
            elif not self._judges_sessions and not self._listener.has_finished(logout.rev):
                raise ValueError("on_revocation has not ended the session yet")
        except Exception as error:
            self._problems.say("logout", f"no session was ended, so the broker sends the token again: {error!r}")
            raise
        self._problems.solved("logout")

    def _other_log(self, epoch: str, seq: int) -> None:
        """The broker's log is another one, or has not come as far as this guard has reported."""
        with self._feed.lock:
            if epoch != self._feed.epoch or seq > self._feed.seq:
                return  # The guard follows another log by now.
            self._feed.doubt()
        self._follower.start_over()

    def _about(self, name: str) -> dict[str, Any]:
        about = {
            "guard": name,
            "streams": self._feed.streams,
            "version": VERSION,
            "without_lease": self._without_lease,
            "lease_ran_out": {"count": self._lease.ran_out},
            "every_seconds": ceil(repeat_seconds(self._lease)),
            "clock_offset_seconds": self._broker.clock.offset,
        }
        if self._feed.ledger.complete_from is not None:
            about["sessions"] = True
        return about if self._lease.drift_ppm is None else {**about, "clock_drift_ppm": self._lease.drift_ppm}


def _beside(run: Callable[[], None]) -> None:
    threading.Thread(target=run, daemon=True).start()
