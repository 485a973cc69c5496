"""Calls the application's `on_revocation`, and calls it again where it failed."""

import threading
from collections import deque
from collections.abc import Callable
from math import inf

from ._clock import Clock
from ._ledger import Revocation
from ._problems import Problems

RETRY_SECONDS, MOST_RETRY_SECONDS = 1.0, 30.0
MOST_FAILED = 10_000


class Listener:
    """Until the application has carried out a revocation, the broker gets no report of it."""

    def __init__(self, call: Callable[[Revocation], None] | None, clock: Clock, problems: Problems) -> None:
        self._call, self._clock, self._problems = call, clock, problems
        self._lock = threading.Lock()
        self._failed: deque[Revocation] = deque()
        self._lost = inf
        """The lowest `seq` of the failed calls that were not kept, because they were too many."""
        self._due, self._pause = inf, RETRY_SECONDS

    @property
    def withheld_from(self) -> float:
        """The lowest `seq` that the application has not carried out yet."""
        with self._lock:
            return min([self._lost, *(revocation.seq for revocation in self._failed)])

    @property
    def seconds_left(self) -> float:
        """The time until the next attempt."""
        return max(0.0, self._due - self._clock.monotonic())

    def tell(self, revocation: Revocation) -> None:
        error = self._attempt(revocation)
        if error is None:
            return
        with self._lock:
            self._failed.append(revocation)
            if len(self._failed) > MOST_FAILED:
                self._lost = min(self._lost, self._failed.popleft().seq)
            self._due = min(self._due, self._clock.monotonic() + self._pause)
        self._problems.say("revocation", f"on_revocation failed, so it is called again: {error!r}")

    def retry(self) -> None:
        """Calls again for what failed, if it is time."""
        if self.seconds_left > 0:
            return
        with self._lock:
            failed, self._due = list(self._failed), inf
        done = {id(revocation) for revocation in failed if self._attempt(revocation) is None}
        with self._lock:
            self._failed = deque(revocation for revocation in self._failed if id(revocation) not in done)
            if self._failed:
                self._pause = min(MOST_RETRY_SECONDS, 2 * self._pause)
                self._due = self._clock.monotonic() + self._pause
                return
            self._pause = RETRY_SECONDS
            is_lost = self._lost < inf
        if is_lost:
            self._problems.say("revocation", "on_revocation failed too often: correct it, and start this process again")
        else:
            self._problems.solved("revocation")

    def forget(self) -> None:
        """Forgets the calls of a former log."""
        with self._lock:
            self._failed.clear()
            self._lost, self._due, self._pause = inf, inf, RETRY_SECONDS

    def _attempt(self, revocation: Revocation) -> Exception | None:
        try:
            if self._call is not None:
                self._call(revocation)
        except Exception as error:  # The application's fault must not stop the feed.
            return error
        return None
