"""The clocks of a guard. Tests replace them."""

import threading
import time


class Clock:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sum = 0.0
        self._last = (time.monotonic(), time.time())

    def wall(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that are never set. They may stand still while the machine is suspended."""
        return time.monotonic()

    def elapsed_ms(self) -> float:
        """Milliseconds that also count the time in which the machine was suspended."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
        return self.summed_ms()

    def summed_ms(self) -> float:
        """The same where no clock counts suspension: each step by the longer of both clocks."""
        with self._lock:
            now = (self.monotonic(), self.wall())
            steady, wall = now[0] - self._last[0], now[1] - self._last[1]
            # The rounding of the wall clock would add up, so it counts only from 2 ms more.
            self._sum += max(0.0, wall if wall > steady + 0.002 else steady) * 1000
            self._last = now
            return self._sum

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits until the event is set or the time has passed. Returns whether it is set."""
        return event.wait(seconds)
