"""What something overtakes: polls, by a doubt about the log, with what was asked for, and whether the guard is ready;
a check, by the stop of the guard; and an answer, by the sleep of the machine. Prints it as JSON."""

import json
import logging
import os
from email.utils import formatdate

from case_manager_guard import Guard
from case_manager_guard._broker import Broker, Credentials
from case_manager_guard._clock import Clock
from case_manager_guard._feed import Feed
from case_manager_guard._lease import Lease
from case_manager_guard._listener import Listener
from case_manager_guard._poll import Poller
from case_manager_guard._problems import Problems
from case_manager_guard._tokens import Keys

issuer = "https://sign-in.example"
clock = Clock()
broker = Broker(issuer, Credentials(issuer, "sydney", "secret", None), clock)
problems = Problems(logging.getLogger())
lease = Lease(clock, problems)
feed = Feed(broker, clock, Keys(broker, clock), lease, Listener(None, clock, problems), lambda run: None)
polls = []


def overtaken(change):
    """Returns what a poll asks for and takes whose first answer `change` overtakes."""
    polls.clear()

    def poll(guard, stream, position, on_send, *_):
        on_send()
        polls.append(position)
        if len(polls) == 1:
            change()
        lease = {"clock": "a", "at_ms": 0, "known_ms": 0, "seconds": 30}
        page = {"epoch": "e", "seq": 100, "entries": [], "retired_kids": [], "reset": False, "more": False}
        return {**page, "stream": "p", "lease": lease}

    broker.poll = poll
    poller._poll()
    return {"asked": list(polls), "ready": feed.ready}


poller = Poller(broker, clock, Keys(broker, clock), feed, lease, "python-1", problems)
polled = [overtaken(change) for change in (lambda: None, feed.doubt, feed.start_over)]


def stopped():
    """Returns the status of a token about which the broker is asked while the guard is stopped."""
    guard = Guard(issuer=issuer, client_id="sydney", client_secret="secret", without_lease="introspect")
    guard._assemble()
    guard._process = os.getpid()
    guard._feed.ready = True
    guard._keys.has = lambda *_: True
    now = clock.wall()
    guard._seen["token"] = ({"rev": 0, "iat": now, "exp": now + 300}, "key")
    guard._broker.is_active = lambda token: guard.stop() is None
    return guard.check("token").status


def slept():
    """Returns the difference of the clocks after an answer that took 5 s, and one during which the machine slept."""
    measured = Broker(issuer, Credentials(issuer, "sydney", "secret", None), clock).clock
    now = clock.wall()
    offsets = []
    for took_ms in (5_000, 60_000):
        measured.heard(formatdate(now - took_ms // 1000 + 100), clock.elapsed_ms() - took_ms)
        offsets.append(90 < measured.offset < 105)
    return offsets


print(json.dumps({"polled": polled, "stopped": stopped(), "slept": slept()}))
