"""Calls the application's `on_revocation` in a thread of its own, and calls it again where it failed."""

import threading
from collections.abc import Callable
from itertools import count
from math import inf

from ._clock import Clock
from ._ledger import Revocation
from ._problems import Problems

RETRY_SECONDS, MOST_RETRY_SECONDS = 1.0, 30.0
MOST_UNFINISHED = 10_000
RUNNING_SECONDS = 2.0
"""The longest that a logout token waits for the application."""


class Listener:
    """Until the application has carried out a revocation, the broker gets no report of it."""

    def __init__(
        self,
        call: Callable[[Revocation], None] | None,
        clock: Clock,
        problems: Problems,
        on_settled: Callable[[], None],
    ) -> None:
        self._call, self._clock, self._problems, self._on_settled = call, clock, problems, on_settled
        self._lock = threading.Condition()
        self._numbers = count()
        self._unfinished: dict[int, Revocation] = {}
        """By the number of the call, the oldest first."""
        self._failed: set[int] = set()
        self._lost = inf
        """The lowest `seq` of the calls that were not kept, because they were too many."""
        self._due, self._pause = inf, RETRY_SECONDS
        self._told, self._stopped = threading.Event(), threading.Event()

    @property
    def withheld_from(self) -> float:
        """The lowest `seq` that the application has not carried out yet."""
        with self._lock:
            return min([self._lost, *(revocation.seq for revocation in self._unfinished.values())])

    def has_finished(self, seq: int) -> bool:
        """Returns whether the application has carried out what comes up to `seq`. Waits for the calls that run now."""
        with self._lock:
            self._lock.wait_for(lambda: self._unfinished.keys() <= self._failed, RUNNING_SECONDS)
        return seq < self.withheld_from

    def tell(self, revocation: Revocation) -> None:
        """Waits for nothing: the caller holds a lock that the application may need."""
        if self._call is None:
            return
        with self._lock:
            self._unfinished[next(self._numbers)] = revocation
            if len(self._unfinished) > MOST_UNFINISHED:
                self._lost = min(self._lost, self._unfinished.pop(next(iter(self._unfinished))).seq)
        self._told.set()

    def run(self) -> None:
        while self._call is not None and not self._stopped.is_set():
            self._clock.wait(self._told, min(MOST_RETRY_SECONDS, max(0.0, self._due - self._clock.monotonic())))
            self._told.clear()
            is_again = self._clock.monotonic() >= self._due
            with self._lock:
                calls = {n: each for n, each in self._unfinished.items() if is_again or n not in self._failed}
            for number, revocation in calls.items():
                self._attempt(self._call, number, revocation)
            if calls or is_again:
                self._settle(is_again)

    def stop(self) -> None:
        self._stopped.set()
        self._told.set()

    def forget(self) -> None:
        """Forgets the calls of a former log."""
        with self._lock:
            self._unfinished.clear()
            self._lost = inf

    def _attempt(self, call: Callable[[Revocation], None], number: int, revocation: Revocation) -> None:
        error = None
        try:
            call(revocation)
        except Exception as raised:  # The application's fault must not stop the guard.
            error = raised
            self._problems.say("revocation", f"on_revocation failed, so it is called again: {error!r}")
        with self._lock:
            if error is None:
                self._unfinished.pop(number, None)
            else:
                self._failed.add(number)
            self._lock.notify_all()

    def _settle(self, is_again: bool) -> None:
        with self._lock:
            self._failed &= self._unfinished.keys()
            is_lost = self._lost < inf
        if not self._failed:
            self._due, self._pause = inf, RETRY_SECONDS
        elif is_again or self._due == inf:
            self._due = self._clock.monotonic() + self._pause
            self._pause = min(MOST_RETRY_SECONDS, 2 * self._pause)
        if is_lost:
            self._problems.say("revocation", "on_revocation failed too often: correct it, and start this process again")
        elif not self._failed:
            self._problems.solved("revocation")
        self._on_settled()
