"""Drives the Python guard for the kit: npx @case-manager/guard conformance --adapter 'python3 adapter.py' --without logout --without private_key_jwt --without polling --without introspection --without timers"""

import json
import sys
import time

import guard as module
from guard import Guard


class Clocks:
    """The clocks of the guard, which the kit lets go on."""

    CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", 0)

    def move(self, wall_ms=0, monotonic_ms=0, elapsed_ms=0):
        ahead = getattr(self, "ahead", (0, 0, 0))
        self.ahead = wall, monotonic, elapsed = tuple(a + b / 1000 for a, b in zip(ahead, (wall_ms, monotonic_ms, elapsed_ms)))
        self.time = lambda: time.time() + wall
        self.monotonic = lambda: time.monotonic() + monotonic
        self.clock_gettime = lambda clock: time.clock_gettime(clock) + elapsed


guard = None
for line in sys.stdin:
    message = json.loads(line)
    act = message.pop("do")
    answer = {}
    if act == "start":
        module.time = clocks = Clocks()
        clocks.move()
        guard = Guard(**message)
        guard.start()
    elif act == "check":
        answer = {"status": guard.check(message["token"])}
    elif act == "clock":
        clocks.move(**message)
    elif act == "stop":
        guard.stop()
    print(json.dumps(answer), flush=True)
