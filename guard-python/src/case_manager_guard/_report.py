"""Reports to the broker what this guard enforces. That is the broker's proof."""

import random
import threading
from collections.abc import Callable
from typing import Any

from ._broker import FAILURES, Broker
from ._clock import Clock
from ._feed import Feed
from ._lease import Lease
from ._listener import Listener
from ._problems import Problems

LEAST_REPEAT_SECONDS = 10.0
BETWEEN_SECONDS, MOST_RETRY_SECONDS = 1.0, 30.0


def repeat_seconds(lease: Lease) -> float:
    """Returns the time after which a report is repeated, so that the broker knows that the guard is alive: half of the
    lease, so that a lost report raises no alarm."""
    return max(LEAST_REPEAT_SECONDS, lease.length_ms / 2000)


class Reporter:
    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        feed: Feed,
        lease: Lease,
        listener: Listener,
        problems: Problems,
        about: Callable[[], dict[str, Any]],
        on_conflict: Callable[[str, int], None],
    ) -> None:
        self._broker, self._clock, self._feed, self._problems = broker, clock, feed, problems
        self._lease, self._listener = lease, listener
        self._about, self._on_conflict = about, on_conflict
        self._stopped = threading.Event()
        self._done: tuple[str | None, int] | None = None
        """The epoch and `seq` that the broker knows."""
        self._sent_at = clock.monotonic()

    def run(self) -> None:
        retry = BETWEEN_SECONDS
        while not self._stopped.is_set():
            left = self._sent_at + repeat_seconds(self._lease) - self._clock.monotonic()
            self._clock.wait(self._feed.report_due, max(BETWEEN_SECONDS, left))
            self._feed.report_due.clear()
            position = self._due()
            if position is None or self._stopped.is_set():
                continue
            self._sent_at = self._clock.monotonic()
            done = self._send(*position)
            retry = BETWEEN_SECONDS if done else min(MOST_RETRY_SECONDS, retry * 2)
            if not done:
                self._feed.report_due.set()
            self._clock.wait(self._stopped, retry + random.random() / 4)

    def stop(self) -> None:
        self._stopped.set()
        self._feed.report_due.set()

    def _due(self) -> tuple[str | None, int] | None:
        """Returns the epoch and `seq` to report, up to where nothing is withheld. None if there is nothing new."""
        with self._feed.lock:
            position = self._feed.epoch, int(min(self._feed.seq, self._listener.withheld_from - 1))
            is_anew, self._feed.report_anew = self._feed.report_anew, False
            is_old = self._clock.monotonic() - self._sent_at >= repeat_seconds(self._lease)
            is_due = is_anew or is_old or position != self._done
            return position if self._feed.ready and position[1] >= 0 and is_due else None

    def _send(self, epoch: str | None, seq: int) -> bool:
        """Returns whether it is done, so that it is not sent again."""
        report = {"epoch": epoch, "seq": seq, **self._about()}
        self._done = None
        try:
            status = self._broker.report(report)
        except FAILURES as error:
            self._problems.say("report", f"the report of what is enforced does not reach the broker: {error}")
            return False
        if status == 409:
            self._on_conflict(str(epoch), seq)
        elif status != 204:
            self._problems.say("report", f"the broker answered {status} to the report of what is enforced")
        else:
            self._problems.solved("report")
        if status in (204, 400):
            self._done = epoch, seq
        return status in (204, 400, 409)
