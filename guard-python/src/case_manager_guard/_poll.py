"""Asks for what is new in the log when a token is checked and the last answer is too old (docs/feed.md, "Poll")."""

import random
import threading

from ._broker import FAILURES, Broker
from ._clock import Clock
from ._feed import Close, Feed
from ._lease import Lease
from ._ledger import is_seq
from ._problems import Problems
from ._tokens import Keys

RETRY_SECONDS = 0.5
KEYS_SECONDS = 600.0
"""No event says that the keys changed, so they are read again after this time."""
MOST_PAGES = 10_000


class Poller:
    def __init__(
        self, broker: Broker, clock: Clock, keys: Keys, feed: Feed, lease: Lease, guard: str, problems: Problems
    ) -> None:
        self._broker, self._clock, self._keys, self._guard = broker, clock, keys, guard
        self._feed, self._lease, self._problems = feed, lease, problems
        self._stopped = threading.Event()
        self._polling = threading.Lock()
        self._tried_at = float("-inf")
        self._polls = 0

    def run(self) -> None:
        """Polls until tokens can be accepted. Afterwards each check polls if a poll is due."""
        self._keys.read_once()
        while not self._stopped.is_set() and not self._feed.ready:
            self.catch_up()
            if not self._feed.ready:
                self._clock.wait(self._stopped, RETRY_SECONDS * (0.2 + 0.8 * random.random()))

    def stop(self) -> None:
        self._stopped.set()

    def start_over(self) -> None:
        self._tried_at = float("-inf")

    def catch_up_to(self, seq: int) -> None:
        """Nothing: the next poll is soon."""

    def catch_up(self) -> None:
        """Polls if the last poll is too old. Callers that come during a poll wait for the same one."""
        if self._stopped.is_set():
            return
        before = self._polls
        with self._polling:
            if self._clock.monotonic() - self._keys.read_at > KEYS_SECONDS:
                self._keys.read()
            recent = self._clock.monotonic() - self._tried_at < self._lease.length_ms / 4000
            if self._polls == before and not recent:
                self._poll()
                self._polls += 1

    def _poll(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            self._broker.check_issuer()
            try:
                self._read_all()
            except Close:  # It is another log, or was asked for in another way: read again.
                self._read_all()
            self._problems.solved("poll")
        except (Close, *FAILURES) as error:
            if not self._feed.ready:
                self._tried_at = float("-inf")
            self._problems.say("poll", f"the broker cannot be polled: {error}")
        finally:
            with self._feed.lock:
                self._feed.ended()

    def _read_all(self) -> None:
        with self._feed.lock:
            position, generation, sessions = self._feed.position, self._feed.generation, self._feed.sessions
        tenants: object = None
        stream = self._feed.stream_here
        for page in range(MOST_PAGES):
            answer = self._broker.poll(self._guard, stream, position, self._feed.opens, sessions)
            with self._feed.lock:
                self._feed.must_be_of(generation)
                if not (isinstance(answer["epoch"], str) and is_seq(answer["seq"]) and isinstance(answer["entries"], list)):
                    raise ValueError("the answer is no page of the log")
                if position is not None and position[0] == answer["epoch"]:
                    if answer.get("more") is True and answer["seq"] <= position[1]:
                        raise ValueError("its pages do not go on")
                tenants = answer.get("tenants") if page == 0 else tenants
                if answer.get("tenants") != tenants:
                    self._feed.start_over()
                    raise Close("its pages are of different tenants")
                if self._take(answer):
                    return
            position, stream = (answer["epoch"], answer["seq"]), answer.get("stream")
        raise ValueError("the answers of the broker do not end")

    def _take(self, answer: dict[str, object]) -> bool:
        """Returns whether it was the last page."""
        feed = self._feed
        if answer.get("reset") is True:
            feed.apply("reset", answer)
        feed.apply("snapshot", answer)
        if answer.get("more") is True:
            return False
        feed.apply("live", answer)
        lease = answer.get("lease")
        feed.apply("anchor", {**lease, "stream": answer.get("stream")} if isinstance(lease, dict) else None)
        feed.apply("lease", {**lease, "seq": answer["seq"]} if isinstance(lease, dict) else None)
        return True
