"""Reports to the broker what this guard enforces. That is the broker's proof."""

import random
import threading
from collections.abc import Callable
from typing import Any

from ._broker import FAILURES, Broker
from ._clock import Clock
from ._feed import Feed
from ._listener import Listener
from ._problems import Problems

REPEAT_SECONDS = 300.0
BETWEEN_SECONDS, MOST_RETRY_SECONDS = 1.0, 30.0


class Reporter:
    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        feed: Feed,
        listener: Listener,
        problems: Problems,
        about: Callable[[], dict[str, Any]],
        on_conflict: Callable[[str, int], None],
    ) -> None:
        self._broker, self._clock, self._feed, self._problems = broker, clock, feed, problems
        self._listener = listener
        self._about, self._on_conflict = about, on_conflict
        self._stopped = threading.Event()

    def run(self) -> None:
        retry = BETWEEN_SECONDS
        while not self._stopped.is_set():
            self._clock.wait(self._feed.report_due, min(REPEAT_SECONDS, self._listener.seconds_left))
            self._feed.report_due.clear()
            self._listener.retry()
            with self._feed.lock:
                seq = int(min(self._feed.seq, self._listener.withheld_from - 1))
                report = {"epoch": self._feed.epoch, "seq": seq} if self._feed.ready and seq >= 0 else None
            if report is None or self._stopped.is_set():
                continue
            done = self._send({**report, **self._about()})
            retry = BETWEEN_SECONDS if done else min(MOST_RETRY_SECONDS, retry * 2)
            if not done:
                self._feed.report_due.set()
            self._clock.wait(self._stopped, retry + random.random() / 4)

    def stop(self) -> None:
        self._stopped.set()
        self._feed.report_due.set()

    def _send(self, report: dict[str, Any]) -> bool:
        """Returns whether it is done, so that it is not sent again."""
        try:
            status = self._broker.report(report)
        except FAILURES as error:
            self._problems.say("report", f"the report of what is enforced does not reach the broker: {error}")
            return False
        if status == 409:
            self._on_conflict(report["epoch"], report["seq"])
        elif status != 204:
            self._problems.say("report", f"the broker answered {status} to the report of what is enforced")
        else:
            self._problems.solved("report")
        return status in (204, 400, 409)
