"""The revocations that a guard enforces: for each selector the highest `seq`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_SEQ = 2**53 - 1
MOST_ENTRIES = 1_000_000
NAMES: dict[str, tuple[str, ...]] = {
    "session": ("sid",),
    "grant": ("sid", "client_id"),
    "subject": ("sub",),
    "client": ("client_id",),
    "tenant": ("tid",),
    "everything": (),
}
EVERYTHING = ("everything",)
Key = tuple[str, ...]


class Unreadable(Exception):
    """What the broker sent cannot be understood, so that everything must be asked for again."""


@dataclass(frozen=True)
class Revocation:
    """An entry of the log: it ends what its selector matches and was authorized before `seq`. `reason` is the class of
    the reason, for the user of an open page to read. Base no decision on it."""

    seq: int
    kind: str
    selector: Mapping[str, str]
    exp: float
    reason: str | None = None


def covers(revocation: Revocation, bearer: Mapping[str, Any]) -> bool:
    """Returns whether it ends a token or session with these claims (`sid`, `sub`, `client_id`, `tid`, `rev`)."""
    rev = bearer.get("rev")
    matches = all(bearer.get(name) == value for name, value in revocation.selector.items())
    return matches and not (isinstance(rev, int) and is_seq(rev) and rev >= revocation.seq)


def is_seq(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_SEQ


def read_entry(value: Any) -> Revocation:
    """Reads an entry. An unknown kind, or one without its members, covers everything."""
    if not isinstance(value, dict) or not is_seq(value.get("seq")) or type(value.get("exp")) not in (int, float):
        raise Unreadable("entry")
    selector = value.get("selector")
    selector = selector if isinstance(selector, dict) else {}
    reason = value.get("reason_class") if isinstance(value.get("reason_class"), str) else None
    names = NAMES.get(str(selector.get("kind")))
    if names is None or not all(isinstance(selector.get(name), str) and selector[name] for name in names):
        return Revocation(value["seq"], "everything", {}, value["exp"], reason)
    return Revocation(value["seq"], selector["kind"], {name: selector[name] for name in names}, value["exp"], reason)


class _NewestSeqs:
    """For each selector the highest `seq`, and when it may be forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.entries: dict[Key, tuple[int, float]] = {}

    def add(self, entry: Revocation) -> bool:
        """Adds an entry, in any order. Returns False if it was enforced already."""
        key = (entry.kind, *entry.selector.values())
        seq, exp = self.entries.pop(key, (-1, 0.0))
        self.entries[key] = (max(seq, entry.seq), max(exp, entry.exp))
        if len(self.entries) > self._most:
            self._collapse()
        return entry.seq > seq

    def sweep(self, now: float) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if entry[1] >= now}

    def _collapse(self) -> None:
        """Replaces the older half by one entry that covers everything before it: more is rejected, never less."""
        old = sorted(self.entries.items(), key=lambda one: one[1][0])[: len(self.entries) // 2]
        for key, _ in old:
            del self.entries[key]
        seq, exp = self.entries.get(EVERYTHING, (0, 0.0))
        self.entries[EVERYTHING] = (
            max(seq, *(one[0] for _, one in old)),
            max(exp, *(one[1] for _, one in old)),
        )


class Ledger:
    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._all = _NewestSeqs(most)
        self._logged_out = _NewestSeqs(most)
        self._former: tuple[int, float] | None = None
        self.tenants: frozenset[str] | None = None
        """The tenants whose revocations the log brings. None: all."""
        self.swept_at = 0.0
        """Tokens that had expired by then are not revived by a clock that is set back."""

    def clear(self) -> None:
        """Forgets what the log has brought, because another one begins. What logout tokens ended stays."""
        self._all.entries, self.swept_at = dict(self._logged_out.entries), 0.0

    def add(self, entry: Revocation) -> bool:
        """Adds an entry of the log. Returns False if it was enforced already."""
        return self._all.add(entry)

    def log_out(self, entry: Revocation) -> bool:
        """Adds what a logout token ended. Returns False if it was enforced already."""
        self._logged_out.add(entry)
        return self._all.add(entry)

    def turned(self, seq: int, at: float) -> None:
        """Another log began: what was issued before `at` with a `rev` above `seq` is of the former one."""
        self._former = (seq, at)

    def knows_tenant(self, claims: Mapping[str, Any]) -> bool:
        """Returns whether the log brings what ends a token with these claims."""
        return self.tenants is None or "tid" not in claims or claims["tid"] in self.tenants

    def revokes(self, claims: Mapping[str, Any]) -> bool:
        rev = claims["rev"]
        for kind, names in NAMES.items():
            entry = self._all.entries.get((kind, *(str(claims.get(name)) for name in names)))
            if entry is not None and entry[0] > rev:
                return True
        return self._former is not None and rev > self._former[0] and claims["iat"] < self._former[1]

    def sweep(self, now: float) -> None:
        self._all.sweep(now)
        self._logged_out.sweep(now)
        self.swept_at = max(self.swept_at, now)
