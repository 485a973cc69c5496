"""A guard whose stream stays open for an hour: prints how many entries it keeps."""

import json
import logging
import threading

from case_manager_guard._broker import Broker, Credentials
from case_manager_guard._clock import Clock
from case_manager_guard._feed import Feed
from case_manager_guard._lease import Lease
from case_manager_guard._listener import Listener
from case_manager_guard._problems import Problems
from case_manager_guard._tokens import Keys


class LaterClock(Clock):
    passed = 0.0

    def wall(self):
        return super().wall() + self.passed

    def elapsed_ms(self):
        return super().elapsed_ms() + self.passed * 1000


clock = LaterClock()
issuer = "https://sign-in.example"
broker = Broker(issuer, Credentials(issuer, "sydney", "secret", None), clock)
problems = Problems(logging.getLogger())
lease = Lease(clock, problems)
feed = Feed(broker, clock, Keys(broker, clock), lease, Listener(None, clock, problems), lambda run: threading.Thread(target=run))
now = clock.wall()
entries = [{"seq": i, "selector": {"kind": "session", "sid": f"s_{i}"}, "exp": now + 600 + i} for i in range(1, 101)]
feed.opens()
feed.apply("anchor", {"clock": "a", "at_ms": 0, "stream": "s"})
feed.apply("snapshot", {"epoch": "e", "seq": 100, "entries": entries, "retired_kids": []})
feed.apply("live", {"epoch": "e", "seq": 100})
sizes = []
for clock.passed in (0, 300, 3600):
    feed.apply("lease", {"clock": "a", "known_ms": clock.passed * 1000, "seconds": 30, "seq": 100})
    sizes.append(len(feed.ledger._all.entries))
print(json.dumps(sizes))
