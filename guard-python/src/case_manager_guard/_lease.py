"""The lease: until when a guard may accept tokens without asking (docs/feed.md, "The lease")."""

import os
import threading
from dataclasses import dataclass

from ._clock import Clock
from ._problems import Problems

DRIFT = 0.001
"""The most that both clocks together may gain or lose, as a share of the time."""
LOST = 0.02
"""The share of the lease lost to drift at which a new anchor is due."""
STEPS_MS = 20
"""The steps of the two clocks together."""
RATE_MS = 60_000
"""The shortest time between two anchors whose rates are compared."""
DEFAULT_MS = 30_000


@dataclass(frozen=True)
class Anchor:
    """A reading of the broker's clock: it showed `broker_ms` between two times of this machine."""

    clock: str
    broker_ms: float
    sent_ms: float
    received_ms: float


class Lease:
    def __init__(self, clock: Clock, problems: Problems) -> None:
        self._clock, self._problems = clock, problems
        self._process = os.getpid()
        self._anchors: list[Anchor] = []
        self._rate_from: Anchor | None = None
        self._length_ms: float | None = None
        self._until_ms = float("-inf")
        self._was_held = False
        self._ran_out = 0
        self._lock = threading.RLock()
        """What reads the clock first also compares first, and what is granted is of the anchors of one clock."""
        self._read_ms = float("-inf")
        self.drift_ppm: int | None = None

    @property
    def length_ms(self) -> float:
        return DEFAULT_MS if self._length_ms is None else self._length_ms

    @property
    def held(self) -> bool:
        """False in a forked process, which starts without a lease, and after the clock went back: no lease has more
        than its length left."""
        with self._lock:
            now = self._clock.elapsed_ms()
            if now < self._read_ms or self._until_ms - now > self.length_ms:
                # The anchors are times of the clock as it was before.
                self._anchors, self._rate_from, self._until_ms = [], None, float("-inf")
            self._read_ms = now
            held = now < self._until_ms and os.getpid() == self._process
            if self._was_held and not held:
                self._was_held = False
                self._ran_out += 1
            return held

    @property
    def ran_out(self) -> int:
        _ = self.held
        return self._ran_out

    def end(self) -> None:
        """Ends it without counting it as run out, because another log begins."""
        self._until_ms, self._was_held = float("-inf"), False

    def anchor(self, anchor: Anchor) -> None:
        with self._lock:
            _ = self.held
            if anchor.sent_ms > anchor.received_ms:  # The clock went back meanwhile.
                return
            if any(one.clock != anchor.clock for one in self._anchors):
                self._anchors, self._rate_from = [], None
            self._compare_rate(anchor)
            best = max(self._anchors, key=lambda one: one.sent_ms - one.broker_ms, default=None)
            self._anchors = [anchor] if best is None else [best, anchor]

    def grant(self, clock: str, known_ms: float, seconds: float) -> bool:
        """Extends it. Returns whether a new anchor is due."""
        length = seconds * 1000
        with self._lock:
            _ = self.held
            if length < self.length_ms:  # A shorter length has effect at once.
                self._until_ms = float("-inf")
            self._length_ms = length
            if self.drift_ppm is not None:
                return True
            anchors = [one for one in self._anchors if one.clock == clock]
            for one in anchors:
                since = known_ms - one.broker_ms
                until = one.sent_ms + since + length - DRIFT * (abs(since) + length) - STEPS_MS
                self._until_ms = max(self._until_ms, until)
            self._was_held = self.held
            good = any(abs(known_ms - one.broker_ms) * DRIFT <= length * LOST for one in anchors)
            return not self._was_held or not good

    def _compare_rate(self, anchor: Anchor) -> None:
        first = self._rate_from = self._rate_from or anchor
        passed = anchor.broker_ms - first.broker_ms
        if passed < RATE_MS:
            return
        self._rate_from = anchor
        most = anchor.received_ms - first.sent_ms + STEPS_MS
        least = anchor.sent_ms - first.received_ms - STEPS_MS
        rate = 0.0
        if most < passed * (1 - DRIFT):
            rate = most / passed - 1
        elif least > passed * (1 + DRIFT):
            rate = least / passed - 1
        self.drift_ppm = round(rate * 1e6) or None
        if self.drift_ppm is not None:
            self._anchors = []
            self.end()
            self._problems.say(
                "drift",
                f"the clocks of this machine and of the broker differ in speed by {abs(self.drift_ppm)} ppm; a lease"
                " allows for 1000, so this guard holds none: let no time service slew a clock by more than 500 ppm",
            )
        else:
            self._problems.solved("drift")
