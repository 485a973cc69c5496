"""Judges an instance's own sessions, by what the ID token said that opened each (docs/feed.md, "Your own sessions")."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ._broker import FAILURES, Broker
from ._clock import Clock
from ._feed import Feed
from ._lease import Lease
from ._ledger import is_seq, is_text, is_time
from ._tokens import TOLERANCE_SECONDS

SHARED_MS = 500
"""The time in which requests share a question. It is shorter than the shortest lease."""
MOST_ASKING, MOST_ANSWERS = 200, 100_000
DESCRIPTIONS = {
    "starting": "the guard has not heard from the broker yet",
    "no_lease": "the guard does not know what is revoked: it holds no lease",
    "not_known": "the broker cannot be asked whether the session is revoked",
}


@dataclass(frozen=True)
class SessionState:
    """`live`: `rev` is how far that is known. `ended`: end the instance's session; `why` is revoked, expired or
    invalid, and `reason` the class of the reason, for the user to read. `unknown`: answer 503, and keep the session."""

    state: Literal["live", "ended", "unknown"]
    why: str | None = None
    rev: int | None = None
    reason: str | None = None
    description: str = ""


class _Session(NamedTuple):
    sub: str
    sid: str
    tenant: str | None
    rev: int | None
    iat: float
    expiry: float


Answer = tuple[int, float] | None
"""The `rev` and `session_expiry` of a session that is active. None: it is not."""


def unknown(why: str) -> SessionState:
    return SessionState("unknown", why, description=DESCRIPTIONS[why])


def ended(why: str, reason: str | None = None) -> SessionState:
    return SessionState("ended", why, reason=reason)


class SessionChecker:
    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        feed: Feed,
        lease: Lease,
        client_id: str,
        introspects: bool,
        on_issued: Callable[[int], None],
    ) -> None:
        self._broker, self._clock, self._feed, self._lease = broker, clock, feed, lease
        self._client_id, self._introspects, self._on_issued = client_id, introspects, on_issued
        self._lock = threading.Lock()
        self._asking: dict[_Session, tuple[float, Future[Answer]]] = {}
        self._answers: OrderedDict[_Session, Answer] = OrderedDict()
        self._resets = 0

    def check(self, given: object) -> SessionState:
        session = self._read(given)
        if session is None:
            return ended("invalid")
        with self._feed.lock:
            resets = self._feed.resets
            verdict = self._judge(session, answered=False)
        if verdict is not None:
            return verdict
        try:
            answer = self._ask(session)
        except FAILURES:
            return unknown("not_known" if self._lease.held else "no_lease")
        with self._feed.lock:
            # An answer of a former log says nothing about this one.
            if resets != self._feed.resets:
                return unknown("starting")
            self._remember(session, answer)
            # The feed may have brought a revocation in the meantime, which has the reason.
            after = self._judge(session, answered=True)
        if answer is None:
            return after if after is not None and after.state == "ended" else ended("revoked")
        return after or unknown("not_known")

    def is_known(self, given: object) -> bool:
        """Returns whether the session can be judged without the network."""
        session = self._read(given)
        with self._feed.lock:
            return session is None or self._judge(session, answered=False) is not None

    def _read(self, given: object) -> _Session | None:
        """Returns None if these are not the claims of an ID token of this broker for this client."""
        if not isinstance(given, Mapping):
            return None
        aud, sub, sid, tenant = given.get("aud"), given.get("sub"), given.get("sid"), given.get("tenant")
        rev, iat, expiry = given.get("rev"), given.get("iat"), given.get("session_expiry")
        if isinstance(aud, (list, tuple)) and aud:
            aud = self._client_id if all(each == self._client_id for each in aud) else None
        if given.get("iss") != self._broker.issuer or aud != self._client_id:
            return None
        if not is_text(sub) or not is_text(sid) or not (tenant is None or is_text(tenant)):
            return None
        if not is_time(iat) or not is_time(expiry) or not (rev is None or is_seq(rev)):
            return None
        return _Session(sub, sid, tenant, rev, iat, expiry)

    def _judge(self, session: _Session, answered: bool) -> SessionState | None:
        """Judges without waiting. Returns None if the broker must answer first. `answered`: it has answered this
        request."""
        verdict = self._judge_log(session, answered)
        if verdict is not None and verdict.state != "live":
            return verdict
        if not self._lease.held:
            if not self._introspects:
                return unknown("no_lease")
            if not answered:
                return None
        if verdict is not None and verdict.rev is not None:
            self._on_issued(verdict.rev)
        return verdict

    def _judge_log(self, session: _Session, answered: bool) -> SessionState | None:
        """Judges by the log and the clocks, whether or not there is a lease."""
        ledger = self._feed.ledger
        if not self._feed.ready or ledger.complete_from is None:
            return unknown("starting")
        own, known, expiry, is_revoked = self._own_rev(session), None, session.expiry, False
        if self._resets != self._feed.resets:
            self._answers.clear()
            with self._lock:  # No later request shares a question to the former log.
                self._asking.clear()
            self._resets = self._feed.resets
        if self._answers and session in self._answers:
            answer = self._answers[session]
            is_revoked = answer is None
            if answer is not None:
                known, expiry = answer[0], min(expiry, answer[1])
        clock, until = self._broker.clock, expiry + TOLERANCE_SECONDS
        is_past_at_broker = until <= clock.now()
        if until <= clock.earliest() or (is_past_at_broker and is_revoked):
            return ended("expired")
        since = known if own is None else own
        if since is not None:
            bearer = {"sid": session.sid, "sub": session.sub, "client_id": self._client_id, "rev": since}
            entry = ledger.ending(bearer if session.tenant is None else {**bearer, "tid": session.tenant})
            if entry is not None:
                return ended("revoked", entry.reason)
        if is_revoked:
            return ended("revoked")
        # One wrong clock ends no session, but what covers this one may be forgotten.
        if not answered and (until <= clock.latest() or expiry < ledger.swept_at):
            return None
        # Without its tenant it may be of one that the log does not bring.
        if since is None or not (ledger.tenants is None or session.tenant in ledger.tenants):
            return None
        reached = max(since, known or 0)
        needed = max(ledger.sessions_from, ledger.tenant_seq if session.tenant is None else 0)
        return SessionState("live", rev=reached) if reached >= needed else None

    def _own_rev(self, session: _Session) -> int | None:
        """The `rev` of the ID token, unless it may be of a former log."""
        is_former = session.rev is not None and self._feed.ledger.is_of_former_log(session.rev, session.iat)
        return None if is_former else session.rev

    def _ask(self, session: _Session) -> Answer:
        """Asks the broker. Requests that come within half a second share the answer."""
        now = self._clock.elapsed_ms()
        with self._lock:
            sent, question = self._asking.get(session, (float("-inf"), Future[Answer]()))
            is_shared = now - sent < SHARED_MS
            if not is_shared:
                if len(self._asking) >= MOST_ASKING:
                    raise ValueError("too many sessions are asked about")
                question = Future()
                self._asking[session] = (now, question)
        if is_shared:
            return question.result()
        try:
            question.set_result(self._broker.ask_session(session.sid, session.sub, self._own_rev(session)))
        except BaseException as error:
            question.set_exception(error)
        finally:
            with self._lock:
                if self._asking.get(session, (0, None))[1] is question:
                    del self._asking[session]
        return question.result()

    def _remember(self, session: _Session, answer: Answer) -> None:
        self._answers.pop(session, None)
        self._answers[session] = answer
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)
