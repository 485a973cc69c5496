"""The revocations that a guard enforces: for each selector the highest `seq`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeGuard

MAX_SEQ = 2**53 - 1
MOST_ENTRIES = 1_000_000
MOST_TURNS = 100
"""The most beginnings of another log that are told apart."""
NAMES: dict[str, tuple[str, ...]] = {
    "session": ("sid",),
    "grant": ("sid", "client_id"),
    "subject": ("sub",),
    "client": ("client_id",),
    "tenant": ("tid",),
    "everything": (),
}
Key = tuple[str | None, ...]


class Unreadable(Exception):
    """What the broker sent cannot be understood, so that everything must be asked for again."""


@dataclass(frozen=True)
class Revocation:
    """An entry of the log: it ends what its selector matches and was authorized before `seq`. `exp` and `session_exp`
    say until when it counts for tokens and for sessions (epoch seconds). `reason` is the class of the reason, for the
    user of an open page to read. Base no decision on it."""

    seq: int
    kind: str
    selector: Mapping[str, str]
    exp: float
    reason: str | None = None
    session_exp: float | None = None


def covers(revocation: Revocation, bearer: Mapping[str, Any]) -> bool:
    """Returns whether it ends a token or session with these claims (`sid`, `sub`, `client_id`, `tid`, `rev`)."""
    rev = bearer.get("rev")
    matches = all(bearer.get(name) == value for name, value in revocation.selector.items())
    return matches and not (isinstance(rev, int) and is_seq(rev) and rev >= revocation.seq)


def is_seq(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MAX_SEQ


def is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and type(value) is not bool and abs(value) <= MAX_SEQ


def is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def read_entry(value: Any) -> Revocation:
    """Reads an entry. An unknown kind, or one without its members, covers everything."""
    if not isinstance(value, dict) or not is_seq(value.get("seq")) or not is_time(value.get("exp")):
        raise Unreadable("entry")
    session_exp = value.get("session_exp")
    if "session_exp" in value and not is_time(session_exp):
        raise Unreadable("entry")
    selector = value.get("selector")
    if not isinstance(selector, dict):
        raise Unreadable("entry")
    reason = value.get("reason_class") if isinstance(value.get("reason_class"), str) else None
    names = NAMES.get(str(selector.get("kind")))
    if names is None or not all(isinstance(selector.get(name), str) and selector[name] for name in names):
        return Revocation(value["seq"], "everything", {}, value["exp"], reason, session_exp)
    members = {name: selector[name] for name in names}
    return Revocation(value["seq"], selector["kind"], members, value["exp"], reason, session_exp)


def keys_of(bearer: Mapping[str, Any]) -> tuple[tuple[str | None, ...], ...]:
    """Returns the keys of all entries that could cover a bearer."""
    get = bearer.get
    sid, client_id = get("sid"), get("client_id")
    return (
        ("everything",),
        ("session", sid),
        ("grant", sid, client_id),
        ("subject", get("sub")),
        ("client", client_id),
        ("tenant", get("tid")),
    )


class Kept(NamedTuple):
    """What is kept of the entries of one selector."""

    seq: int
    until: float
    """Epoch seconds after which neither a token nor a session that it covers can be left."""
    reason: str | None


class _NewestSeqs:
    """For each selector the highest `seq`, and when it may be forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.entries: dict[Key, Kept] = {}
        self.cutoff = (0, 0.0)
        """The `seq` below which entries were forgotten because they were too many, and until when that matters."""

    def add(self, entry: Revocation) -> bool:
        """Adds an entry, in any order. Returns False if it was enforced already."""
        key = (entry.kind, *entry.selector.values())
        before = self.entries.pop(key, Kept(-1, 0.0, None))
        until = max(before.until, entry.exp, entry.session_exp or 0.0)
        is_new = entry.seq > before.seq
        self.entries[key] = Kept(entry.seq, until, entry.reason) if is_new else before._replace(until=until)
        if len(self.entries) > self._most:
            self._collapse()
        return is_new

    def first(self, bearer: Mapping[str, Any]) -> Kept | None:
        """Returns the oldest of the entries that cover a bearer."""
        first = None
        rev = bearer["rev"]
        for key in keys_of(bearer):
            entry = self.entries.get(key)
            if entry is not None and entry.seq > rev and (first is None or entry.seq < first.seq):
                first = entry
        return first

    def copy(self, other: "_NewestSeqs") -> None:
        self.entries, self.cutoff = dict(other.entries), other.cutoff

    def sweep(self, now: float) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if entry.until >= now}
        if self.cutoff[1] < now:
            self.cutoff = (0, 0.0)

    def _collapse(self) -> None:
        """Forgets the older half. Tokens below it are rejected, and the broker is asked about sessions below it."""
        old = sorted(self.entries.items(), key=lambda item: item[1].seq)[: len(self.entries) // 2]
        for key, _ in old:
            del self.entries[key]
        seq, until = self.cutoff
        self.cutoff = (max(seq, old[-1][1].seq), max(until, *(entry.until for _, entry in old)))


class Ledger:
    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._all = _NewestSeqs(most)
        self._logged_out = _NewestSeqs(most)
        self._turns: list[tuple[int, float]] = []
        """How far another log was when it began, and when that was. The earliest is first. No time forgets them, because a
        clock may be wrong."""
        self.tenants: frozenset[str] | None = None
        """The tenants whose revocations the log brings. None: all."""
        self.complete_from: float | None = None
        """The `seq` from which entries tell every end of a session. None: the broker has not said it yet."""
        self.tenant_seq = 0
        """The newest revocation of a tenant."""
        self.swept_at = 0.0
        """Tokens that had expired by then are not revived by a clock that is set back."""

    @property
    def sessions_from(self) -> float:
        """The `seq` from which no end of a session is missing here."""
        return max(self._all.cutoff[0], 0 if self.complete_from is None else self.complete_from)

    def clear(self) -> None:
        """Forgets what the log has brought, because another one begins. What logout tokens ended stays."""
        self._all.copy(self._logged_out)
        self.complete_from, self.tenant_seq, self.swept_at = None, 0, 0.0

    def add(self, entry: Revocation) -> bool:
        """Adds an entry of the log. Returns False if it was enforced already."""
        if entry.kind == "tenant":
            self.tenant_seq = max(self.tenant_seq, entry.seq)
        return self._all.add(entry)

    def log_out(self, entry: Revocation) -> bool:
        """Adds what a logout token ended. Returns False if it was enforced already."""
        self._logged_out.add(entry)
        # The log says itself how long its entry counts for sessions.
        return self._all.add(replace(entry, session_exp=None))

    def turned(self, seq: int, at: float) -> None:
        """Another log began: what was issued before `at` with a `rev` above `seq` is of a former one."""
        # A later turn at a lower `seq` says all that an earlier one does.
        self._turns = [turn for turn in self._turns if turn[0] < seq or turn[1] > at] + [(seq, at)]
        if len(self._turns) > MOST_TURNS:  # The two earliest become one that covers more than both, and never less.
            first, second, *others = self._turns
            self._turns = [(min(first[0], second[0]), max(first[1], second[1])), *others]

    def is_of_former_log(self, rev: int, iat: float) -> bool:
        return any(rev > seq and iat < at for seq, at in self._turns)

    def brings(self, tid: str | None) -> bool:
        """Returns whether the log brings the revocations of a tenant."""
        return self.tenants is None or tid is None or tid in self.tenants

    def ending(self, bearer: Mapping[str, Any]) -> Kept | None:
        """Returns the entry that ended a session, if any: the oldest of those that cover it."""
        return self._all.first(bearer)

    def revokes(self, claims: Mapping[str, Any]) -> bool:
        rev = claims["rev"]
        if rev < self._all.cutoff[0] or self._all.first(claims) is not None:
            return True
        return self.is_of_former_log(rev, claims["iat"])

    def sweep(self, now: float) -> None:
        self._all.sweep(now)
        self._logged_out.sweep(now)
        self.swept_at = max(self.swept_at, now)
