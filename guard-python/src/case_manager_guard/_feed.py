"""What each event of the feed means (docs/feed.md), and how far the guard is."""

import json
import threading
from collections.abc import Callable
from math import inf
from typing import Any

from ._broker import Broker
from ._clock import Clock
from ._lease import Anchor, Lease
from ._ledger import Ledger, Revocation, Unreadable, is_seq, is_text, is_time, read_entry
from ._listener import Listener
from ._tokens import Keys

OVERLAP = 64
"""Entries that a new connection reads again, so that one that overtook another is not missed."""
TOLERANCE_SECONDS = 60
SWEEP_SECONDS = 60
"""The time between two sweeps of entries that have ended."""
MOST_LEASE_SECONDS = 60
NAMED_MS, MOST_NAMED = 120_000, 20
"""How long reports name a stream after its last lease, and the most that they name."""


class Close(Exception):
    """The connection must end, and a new one be opened."""


class Feed:
    """All methods are called while `lock` is held."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        keys: Keys,
        lease: Lease,
        listener: Listener,
        beside: Callable[[Callable[[], None]], None],
    ) -> None:
        self.lock = threading.RLock()
        self.ledger = Ledger()
        self.epoch: str | None = None
        self.seq = 0
        self.ready = self.stopped = False
        self.sessions = False
        """Whether this process judges sessions, so that it needs their entries."""
        self.resets = 0
        self.live_here = False
        self.clock_here: str | None = None
        self.stream_here: str | None = None
        self._streams: dict[str, float] = {}
        self.report_due, self.report_anew = threading.Event(), False
        """`report_anew`: whether the same position is reported again."""
        self.anchor_due = False
        self._broker, self._clock, self._keys, self._lease = broker, clock, keys, lease
        self._listener, self._beside = listener, beside
        self.generation = 0
        """Rises whenever the next connection must ask in another way: what was asked for before does not count."""
        self._sent_ms = 0.0
        self._nonce: str | None = None
        self._from_nothing, self._exactly, self._turned, self._was_live = True, False, False, False

    @property
    def position(self) -> tuple[str, int] | None:
        """From where to read on. None: everything."""
        if self._from_nothing or self.epoch is None:
            return None
        return self.epoch, self.seq if self._exactly else max(0, self.seq - OVERLAP)

    def opens(self, nonce: str | None = None) -> None:
        """The request of the next connection is sent now. Its anchor must repeat `nonce`."""
        self._sent_ms, self._nonce, self.clock_here = self._clock.elapsed_ms(), nonce, None

    def ended(self) -> None:
        self.live_here = False

    def stop(self) -> None:
        """Accepts nothing from now on."""
        self.ready, self.stopped = False, True

    def start_over(self) -> None:
        """Nothing that is known can be trusted: ask for everything."""
        self.ready, self._from_nothing = False, True
        self.generation += 1

    def judge_sessions(self) -> None:
        """Makes the next connection ask for what concerns sessions too. Tokens stay valid meanwhile."""
        self.sessions, self._from_nothing = True, True
        self.generation += 1

    def doubt(self) -> None:
        """Ask from exactly here, unless everything is asked for: a broker whose log has not come so far answers with
        a reset."""
        self.ready, self._exactly = False, True
        self.generation += 1

    def must_be_of(self, generation: int) -> None:
        """
        :raises Close: what arrives was asked for before the guard began anew
        """
        if generation != self.generation:
            raise Close("it was asked for before the guard began anew")

    def unreadable(self, what: object) -> Close:
        """Nothing that is known can be trusted. Returns the reason why the connection ends."""
        self.start_over()
        return Close(f"it cannot be read: {what}")

    def take(self, event: str, identifier: str | None, text: str) -> None:
        if event in EVENTS:
            try:
                data = json.loads(text)
            except ValueError:
                raise self.unreadable(event) from None
            self.apply(event, data, identifier)

    def apply(self, event: str, data: Any, identifier: str | None = None) -> None:
        """
        :raises Close: the connection must end
        """
        try:
            if event in ("revocation", "head"):
                self._must_be_of_this_log(identifier)
            EVENTS[event](self, data)
        except (Unreadable, KeyError, TypeError, AttributeError) as error:
            raise self.unreadable(event) from error

    def _must_be_of_this_log(self, identifier: str | None) -> None:
        if self.epoch is None or (identifier is not None and identifier.rpartition(".")[0] != self.epoch):
            raise Unreadable("it speaks of another log")

    @property
    def streams(self) -> list[str]:
        """The streams and polls whose leases may still run, the latest last."""
        now = self._clock.elapsed_ms()
        self._streams = {name: at for name, at in self._streams.items() if at > now - NAMED_MS}
        return list(self._streams)[-MOST_NAMED:]

    def _name_stream(self, stream: str | None) -> None:
        if stream is not None:
            self._streams.pop(stream, None)
            self._streams[stream] = self._clock.elapsed_ms()

    def _anchor(self, data: Any) -> None:
        clock, stream = data["clock"], data.get("stream", self.stream_here)
        if not isinstance(clock, str) or not is_time(data["at_ms"]) or not (stream is None or isinstance(stream, str)):
            raise Unreadable("anchor")
        self.clock_here = data["clock"]
        self.stream_here = stream
        self._name_stream(self.stream_here)
        anchor = Anchor(clock, float(data["at_ms"]), self._sent_ms, self._clock.elapsed_ms())
        # Without it the next lease extends none, and the guard asks for an anchor by itself.
        if data.get("nonce") == self._nonce:
            self._lease.anchor(anchor)

    def _granted(self, data: Any) -> None:
        seconds, known, clock = data["seconds"], data["known_ms"], data["clock"]
        if not (is_seq(data["seq"]) and isinstance(clock, str) and is_time(known) and is_time(seconds)):
            raise Unreadable("lease")
        if not 1 <= seconds <= MOST_LEASE_SECONDS:
            raise Unreadable("lease")
        if not self.live_here:
            return
        self._reached(data)
        self._name_stream(self.stream_here)
        self._sweep()
        was_held = self._lease.held
        self.anchor_due = self._lease.grant(clock, known, seconds) or self.anchor_due
        if not was_held and self._lease.held and self._lease.ran_out > 0:
            self.report_anew = True
            self.report_due.set()

    def _reset(self, data: Any) -> None:
        if not isinstance(data["epoch"], str):
            raise Unreadable("reset")
        self._lease.end()
        self._turned = self._turned or self.epoch is not None
        self.ready, self.live_here, self._exactly, self._from_nothing = False, False, False, True
        self.epoch, self.seq = data["epoch"], 0
        self.ledger.clear()
        self.resets += 1
        self._listener.forget()
        # A restored broker signs with other keys.
        self._beside(self._keys.read)

    def _snapshot(self, data: Any) -> None:
        if not isinstance(data["epoch"], str) or not is_seq(data["seq"]) or not isinstance(data["entries"], list):
            raise Unreadable("snapshot")
        if self.epoch not in (None, data["epoch"]):
            self._reset(data)
        self.epoch = data["epoch"]
        for entry in data["entries"]:
            self._apply_entry(entry)
        self._keys.retire(read_texts(data, "retired_kids"))
        self.seq = max(self.seq, data["seq"])

    def _revocation(self, data: Any) -> None:
        self._apply_entry(data)
        self._reached(data)

    def _apply_entry(self, value: Any) -> None:
        entry = read_entry(value)
        # The entries of the first snapshot are older than all that this process has accepted.
        if self.ledger.add(entry) and self._was_live:
            self._listener.tell(entry)

    def log_out(self, entry: Revocation) -> None:
        """Enforces what a logout token ended."""
        if self.ledger.log_out(entry):
            self._listener.tell(entry)

    def _reached(self, data: Any) -> None:
        if not is_seq(data["seq"]):
            raise Unreadable("seq")
        if data["seq"] > self.seq:
            self.seq = data["seq"]
            self.report_due.set()

    def _live(self, data: Any) -> None:
        if data["epoch"] != self.epoch or not is_seq(data["seq"]) or not is_seq(data.get("complete_from", 0)):
            raise Unreadable("live")
        if data["seq"] < self.seq:
            self._from_nothing = False
            self.doubt()
            raise Close(f"its log ends at {data['seq']}, before {self.seq}, which is enforced here")
        # Null is no list: only where they are absent all are brought.
        tenants = frozenset(read_texts(data, "tenants")) if "tenants" in data else None
        known = self.ledger.tenants
        if not self._from_nothing and known is not None and (tenants is None or not tenants <= known):
            self.start_over()
            raise Close("it brings revocations of tenants whose earlier ones are not known here")
        self.ledger.tenants = tenants
        if self._turned:
            self.ledger.turned(data["seq"], int(self._broker.clock.now()))
        if self._from_nothing:
            self.ledger.swept_at = 0.0
        self._turned, self._exactly, self._from_nothing = False, False, not self._is_complete(data)
        self._sweep()
        self.seq, self.live_here, self.ready, self._was_live = data["seq"], True, not self.stopped, True
        self.report_due.set()

    def _is_complete(self, data: Any) -> bool:
        """Notes from which `seq` on the entries tell every end of a session. Returns False if the broker does not say
        it: then it is asked about each session, and the next connection asks for everything."""
        if not self.sessions:
            return True
        start = data.get("complete_from")
        before = 0 if self._from_nothing else self.ledger.complete_from or 0
        self.ledger.complete_from = max(before, start) if is_seq(start) else inf
        return is_seq(start)

    def _sweep(self) -> None:
        ended = self._broker.clock.now() - TOLERANCE_SECONDS
        if ended < self.ledger.swept_at - TOLERANCE_SECONDS:
            # A wrong time made it forget what may still be needed.
            self.start_over()
            raise Close("the time went back, so everything is read again")
        if ended - self.ledger.swept_at >= SWEEP_SECONDS:
            self.ledger.sweep(ended)

    def _keys_changed(self, data: Any) -> None:
        self._beside(self._keys.read)
        self._keys.retire(read_texts(data, "retired_kids"))

    def _end(self, data: Any) -> None:
        raise Close(f"the broker ended it: {data.get('why')}")


def read_texts(data: Any, name: str) -> list[str]:
    """Returns a list of texts, which is empty where it is absent."""
    texts = data.get(name, [])
    if not isinstance(texts, list) or not all(is_text(text) for text in texts):
        raise Unreadable(name)
    return texts


EVENTS: dict[str, Callable[[Feed, Any], None]] = {
    "anchor": Feed._anchor,
    "lease": Feed._granted,
    "reset": Feed._reset,
    "snapshot": Feed._snapshot,
    "revocation": Feed._revocation,
    "head": Feed._reached,
    "live": Feed._live,
    "keys": Feed._keys_changed,
    "end": Feed._end,
}
