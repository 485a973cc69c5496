"""Drives the guard for the kit: npx @case-manager/guard conformance --adapter 'python3 adapter.py'"""

import json
import sys
import threading
import time

from case_manager_guard import Guard, Request
from case_manager_guard._clock import Clock


class MovableClock(Clock):
    """The clocks of the guard, which the kit lets go on."""

    def __init__(self):
        self.ahead = {"wall_ms": 0, "monotonic_ms": 0, "elapsed_ms": 0}
        self.moved = threading.Condition()
        super().__init__()

    def wall(self):
        return time.time() + self.ahead["wall_ms"] / 1000

    def monotonic(self):
        return time.monotonic() + self.ahead["monotonic_ms"] / 1000

    def elapsed_ms(self):
        return super().elapsed_ms() + self.ahead["elapsed_ms"]

    def wait(self, event, seconds):
        until = self.monotonic() + seconds
        while not event.is_set() and self.monotonic() < until:
            event.wait(0.01)
        return event.is_set()

    def move(self, **by):
        self.ahead = {name: ms + by.get(name, 0) for name, ms in self.ahead.items()}


def check(token, request):
    if request is None or request["scheme"] == "Bearer":
        return guard.check(token)
    return guard.check(token, request=Request(request["method"], request["path"], tuple(request["proofs"])))


guard = clock = None
for line in sys.stdin:
    message = json.loads(line)
    act = message.pop("do")
    answer = {}
    if act == "start":
        clock = MovableClock()
        sessions = message.pop("sessions", False)
        guard = Guard(**message, clock=clock, on_logout=lambda _: None)
        if sessions:
            guard.judge_sessions()
        guard.start()
    elif act == "check":
        decision = check(message.pop("token"), message.pop("request", None))
        missed = decision.accepted and guard.step_up(decision.claims, **message)
        answer = {"status": 401 if missed else decision.status}
    elif act == "session":
        state = guard.check_session(message["session"]).state
        answer = {"status": {"live": 200, "ended": 401, "unknown": 503}[state]}
    elif act == "logout":
        answer = {"status": guard.receive_logout(f"logout_token={message['logout_token']}".encode())}
    elif act == "clock":
        clock.move(**message)
    elif act == "stop":
        guard.stop()
    print(json.dumps(answer), flush=True)
