"""A poll whose answer is overtaken by a doubt about the log: prints what was asked for, and whether the guard is ready."""

import json
import logging

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
print(json.dumps([overtaken(change) for change in (lambda: None, feed.doubt, feed.start_over)]))
