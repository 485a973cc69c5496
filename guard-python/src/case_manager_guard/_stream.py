"""Keeps a connection to the feed, by stream."""

import random
import socket
import threading
from http.client import HTTPResponse

from ._broker import FAILURES, Broker, Rejected, shut
from ._clock import Clock
from ._feed import Close, Feed
from ._lease import Anchor, Lease
from ._problems import Problems
from ._tokens import Keys

FIRST_SILENCE_SECONDS = 15.0
RESTART_SECONDS = 10.0
"""The longest restart of a broker. For so long the guard retries quickly."""
QUICK_SECONDS, SLOW_SECONDS, MOST_SECONDS = 0.5, 2.0, 30.0
HEALTHY_SECONDS = 5.0
"""After so long as a live stream, its end is a new loss."""
BEHIND_SECONDS = 1.0
MOST_BYTES = 4 * 2**20


class Stream:
    def __init__(
        self, broker: Broker, clock: Clock, keys: Keys, feed: Feed, lease: Lease, guard: str, problems: Problems
    ) -> None:
        self._broker, self._clock, self._keys, self._feed, self._lease = broker, clock, keys, feed, lease
        self._guard, self._problems = guard, problems
        self._stopped, self._hurried = threading.Event(), threading.Event()
        self._socket: socket.socket | None = None
        self._awaited: tuple[str | None, int] = None, 0
        """The highest `seq` for which the stream was looked at, and its log."""
        self._live_at = 0.0
        self._anchor_asked_ms = float("-inf")

    def run(self) -> None:
        lost_at, asked = self._clock.monotonic(), 0.0
        while not self._stopped.is_set():
            asked = self._connection()
            with self._feed.lock:
                was_live = self._feed.live_here
                self._feed.ended()
            if was_live and self._clock.monotonic() - self._live_at >= HEALTHY_SECONDS:
                lost_at = self._clock.monotonic()
            self._clock.wait(self._hurried, self._pause(lost_at, asked))
            self._hurried.clear()

    def stop(self) -> None:
        self._stopped.set()
        self._hurried.set()
        shut(self._socket)

    def start_over(self) -> None:
        shut(self._socket)

    def catch_up(self) -> None:
        """Nothing: the stream brings the log."""

    def catch_up_to(self, seq: int) -> None:
        """The broker has issued something at `seq`, so it is up. A stream that does not bring it in time is stuck."""
        epoch, awaited = self._awaited
        if seq <= self._feed.seq or (epoch == self._feed.epoch and seq <= awaited):
            return
        self._awaited = self._feed.epoch, seq
        if not self._feed.live_here:
            self._hurried.set()
            return
        opened = self._socket

        def look() -> None:
            if self._feed.live_here and self._feed.seq < seq and self._socket is opened:
                shut(opened)

        timer = threading.Timer(BEHIND_SECONDS, look)
        timer.daemon = True
        timer.start()

    def _pause(self, lost_at: float, asked: float) -> float:
        restarts = self._clock.monotonic() - lost_at < RESTART_SECONDS
        if not restarts and asked > SLOW_SECONDS:
            return (1 + random.random() / 2) * min(asked, MOST_SECONDS)
        return (QUICK_SECONDS if restarts else SLOW_SECONDS) * (0.2 + 0.8 * random.random())

    def _connection(self) -> float:
        """Reads one connection to its end. Returns the Retry-After of its answer."""
        try:
            self._broker.check_issuer()
            self._keys.read_once()
            with self._feed.lock:
                position, generation, sessions = self._feed.position, self._feed.generation, self._feed.sessions
            last = None if position is None else f"{position[0]}.{position[1]}"
            opening = self._broker.stream(self._guard, last, FIRST_SILENCE_SECONDS, self._opens, sessions)
            with opening as (response, opened):
                self._socket = opened
                self._events(response, generation)
        except Rejected as error:
            self._problems.say("feed", f"the feed cannot be followed: {error}")
            return error.retry_after
        except (Close, *FAILURES) as error:
            self._problems.say("feed", f"the feed cannot be followed: {error}")
        finally:
            self._socket = None
        return 0.0

    def _opens(self, nonce: str) -> None:
        with self._feed.lock:
            self._feed.opens(nonce)

    def _events(self, response: HTTPResponse, generation: int) -> None:
        event, identifier, data, size = "", None, list[str](), 0
        while not self._stopped.is_set():
            line = response.readline(MOST_BYTES)
            if not line:
                return
            size += len(line)
            if not line.endswith(b"\n") or size > MOST_BYTES:
                with self._feed.lock:
                    raise self._feed.unreadable("an event without end")
            text = line.decode().rstrip("\r\n")
            if text == "":
                if data:
                    self._take(event, identifier, "\n".join(data), generation)
                event, identifier, data, size = "", None, [], 0
            field, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                event = value
            elif field == "id":
                identifier = value
            elif field == "data":
                data.append(value)

    def _take(self, event: str, identifier: str | None, text: str, generation: int) -> None:
        with self._feed.lock:
            self._feed.must_be_of(generation)
            self._feed.take(event, identifier, text)
            self._feed.report_anew = self._feed.report_anew or event == "live"
            is_due, self._feed.anchor_due = self._feed.anchor_due, False
        if event == "live":
            self._live_at = self._clock.monotonic()
            self._problems.solved("feed")
        if event == "lease" and self._socket is not None and self._feed.live_here:
            self._socket.settimeout(max(1.0, self._lease.length_ms / 2000))
        now = self._clock.elapsed_ms()
        if is_due and now - self._anchor_asked_ms > 1000:
            self._anchor_asked_ms = now
            # The answer may take its time: the stream goes on.
            threading.Thread(target=self._take_anchor, args=[self._socket], daemon=True).start()

    def _take_anchor(self, opened: socket.socket | None) -> None:
        try:
            sent = self._clock.elapsed_ms()
            answer = self._broker.clock_now()
            received = self._clock.elapsed_ms()
            if self._socket is not opened:
                return
            with self._feed.lock:
                if answer["clock"] == self._feed.clock_here:
                    self._lease.anchor(Anchor(answer["clock"], float(answer["at_ms"]), sent, received))
                else:  # Requests reach another process: open the stream again.
                    shut(opened)
        except FAILURES:
            pass  # The next lease asks again.
