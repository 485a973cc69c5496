"""What the ledger of a guard keeps: prints it as JSON."""

import json
import logging
import threading
import time

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from case_manager_guard._broker import Broker, Credentials
from case_manager_guard._clock import Clock
from case_manager_guard._feed import Feed
from case_manager_guard._lease import Lease
from case_manager_guard._ledger import Ledger, read_entry
from case_manager_guard._listener import Listener
from case_manager_guard._problems import Problems
from case_manager_guard._tokens import Invalid, Keys, Unsure


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
listener = Listener(None, clock, problems, lambda: None)
feed = Feed(broker, clock, Keys(broker, clock), lease, listener, lambda run: threading.Thread(target=run))
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


def ledger_of(*entries):
    ledger = Ledger()
    for seq, kind, exp, session_exp in entries:
        selector = {"kind": kind, "sid": "s_1", "sub": "u_1"}
        ledger.add(read_entry({"seq": seq, "selector": selector, "exp": exp, "session_exp": session_exp}))
    return ledger


def is_ended(ledger, rev=4):
    return ledger.ending({"sid": "s_1", "sub": "u_1", "rev": rev}) is not None


revocation = {"seq": 100, "selector": {"kind": "everything"}, "exp": now}
unreadable = []
for event, data in (
    ("live", {"epoch": "e", "seq": 100, "tenants": None}),
    ("live", {"epoch": "e", "seq": 100, "tenants": [""]}),
    ("revocation", {**revocation, "session_exp": None}),
    ("head", {}),
):
    feed.start_over()
    feed.apply("live", {"epoch": "e", "seq": 100})
    try:
        feed.apply(event, data)
    except Exception:
        pass
    unreadable.append(feed.ready)

public = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
reads, found = [], []


def slow_keys():
    reads.append(True)
    time.sleep(0.1)
    return [{**public, "alg": "ES256", "kid": "new"}]


def find_new():
    try:
        keys.find("ES256", "new")
        found.append(True)
    except (Invalid, Unsure):
        found.append(False)


broker.keys = slow_keys
keys = Keys(broker, clock)
finding = [threading.Thread(target=find_new) for _ in range(4)]
for thread in finding:
    thread.start()
for thread in finding:
    thread.join()

clock.wall = lambda: 1000.9
feed.apply("reset", {"epoch": "f"})
feed.apply("live", {"epoch": "f", "seq": 40})
turned_at = [feed.ledger.is_of_former_log(50, iat) for iat in (999, 1000)]

highest = {}
for order in (1, -1):
    both = ledger_of(*[(10, "session", 100, 5000), (20, "session", 200, 300)][::order])
    both.sweep(4999)
    highest[order] = [is_ended(both, rev=15), is_ended(both, rev=20)]

cut = Ledger(10)
cut.complete_from = 3
for seq in range(1, 101):
    selector = {"kind": "session", "sid": f"s_{seq}"}
    cut.add(read_entry({"seq": seq, "selector": selector, "exp": 100, "session_exp": 5000}))
cutoff = cut.sessions_from
cut.sweep(4999)
kept_cutoff = cut.sessions_from
cut.sweep(5001)

former = Ledger()
former.turned(40, 1000)
former.turned(60, 2000)
of_former = [former.is_of_former_log(*session) for session in ((50, 999), (50, 1000), (70, 1999), (70, 2000), (40, 1))]
former.sweep(2000 + 200 * 86_400)
print(
    json.dumps(
        {
            "sizes": sizes,
            "highest": highest,
            "cutoff": {"isBounded": len(cut._all.entries) <= 10, "from": [cutoff, kept_cutoff, cut.sessions_from]},
            "former": {"is": of_former, "afterAClockWasAhead": former.is_of_former_log(70, 1999)},
            "turnedAt": turned_at,
            "unreadable": unreadable,
            "keys": {"reads": len(reads), "found": found},
        }
    )
)
