"""What something overtakes: polls, by a doubt about the log, with what was asked for, and whether the guard is ready;
checks, by the stop of the guard; a question about a session, by another log; and an answer, by the sleep of the
machine. And what is answered to logout tokens before the guard is ready. Prints it as JSON."""

import json
import logging
import os
import threading
from email.utils import formatdate

from case_manager_guard import Guard
from case_manager_guard._broker import Broker, Credentials
from case_manager_guard._clock import Clock
from case_manager_guard._feed import Feed
from case_manager_guard._lease import Anchor, Lease
from case_manager_guard._listener import Listener
from case_manager_guard._poll import Poller
from case_manager_guard._problems import Problems
from case_manager_guard._stream import Stream
from case_manager_guard._tokens import Keys

issuer = "https://sign-in.example"
clock = Clock()
broker = Broker(issuer, Credentials(issuer, "sydney", "secret", None), clock)
problems = Problems(logging.getLogger())
lease = Lease(clock, problems)
listener = Listener(None, clock, problems, lambda: None)
feed = Feed(broker, clock, Keys(broker, clock), lease, listener, lambda run: None)
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


def assembled(**options):
    """Returns a guard that follows nothing."""
    guard = Guard(issuer=issuer, client_id="sydney", client_secret="secret", **options)
    guard._assemble()
    guard._process = os.getpid()
    return guard


def introspecting(epoch, seq):
    """Returns a guard without a lease, which asks about each session."""
    guard = assembled(without_lease="introspect")
    guard.judge_sessions()
    becomes_live(guard, epoch, seq)
    return guard


def becomes_live(guard, epoch, seq):
    with guard._feed.lock:
        guard._feed.apply("snapshot", {"epoch": epoch, "seq": seq, "entries": []})
        guard._feed.apply("live", {"epoch": epoch, "seq": seq, "complete_from": seq})


def session():
    now = clock.wall()
    claims = {"iss": issuer, "aud": "sydney", "sub": "u_1", "sid": "s_1", "tenant": "t_1", "rev": 10, "iat": now - 60}
    return {**claims, "session_expiry": now + 300}


def stopped():
    """Returns the status of a token, and the state of a session, about which the broker is asked while the guard is
    stopped."""
    guard = introspecting("e", 100)
    guard._keys.has = lambda *_: True
    now = clock.wall()
    guard._seen["token"] = ({"rev": 100, "iat": now, "exp": now + 300}, "key")
    guard._broker.is_active = lambda token: guard.stop() is None
    status = guard.check("token").status
    guard = introspecting("e", 100)
    guard._broker.ask_session = lambda *_: guard.stop() or (100, now + 300)
    return status, guard.check_session(session()).state


def shared():
    """Returns how often the broker is asked about a session before and after another log began, and what is told of
    it."""
    guard = introspecting("e", 100)
    may_answer, is_asked, asked, states = threading.Event(), threading.Event(), [], {}
    claims = session()

    def ask_session(*_):
        asked.append(True)
        if len(asked) > 1:
            return 40, clock.wall() + 300
        is_asked.set()
        may_answer.wait(5)
        return 100, clock.wall() + 300

    def judging(name):
        thread = threading.Thread(target=lambda: states.update({name: guard.check_session(claims)}))
        thread.start()
        return thread

    guard._broker.ask_session = ask_session
    before = judging("before")
    is_asked.wait(5)
    with guard._feed.lock:
        guard._feed.apply("reset", {"epoch": "f"})
    becomes_live(guard, "f", 40)
    after = judging("after")
    after.join(0.2)
    may_answer.set()
    before.join()
    after.join()
    return len(asked), states["before"].state, states["after"].rev


def jumped():
    """Returns whether a lease is held of which another thread saw that the clock went back while it was granted."""
    moved = Clock()
    boot, back = moved.elapsed_ms, [0]
    moved.elapsed_ms = lambda: boot() - back[0]
    held = Lease(moved, problems)
    now = moved.elapsed_ms()
    held.anchor(Anchor("a", 0, now - 2000, now))

    class Anchors(list):
        def __iter__(self):
            back[0] = 1000
            reading = threading.Thread(target=lambda: held.held)
            reading.start()
            reading.join(0.2)
            return super().__iter__()

    held._anchors = Anchors(held._anchors)
    held.grant("a", 0, 30)
    return held.held


def hurried():
    """Returns whether a stream that is down connects at once for each `rev` that is checked."""
    awaiting = Stream(broker, clock, Keys(broker, clock), feed, lease, "python-1", problems)
    connects = []
    for epoch, seq in (("e", 500), ("e", 500), ("e", 400), ("e", 501), ("f", 400)):
        feed.epoch = epoch
        awaiting._hurried.clear()
        awaiting.catch_up_to(seq)
        connects.append(awaiting._hurried.is_set())
    return connects


def logged_out(rev=101, **options):
    """Returns the answer to a logout token before the guard is ready, and the guard."""
    guard = assembled(**options)
    claims = {"sid": "s_1", "jti": "j", "iat": clock.wall(), "rev": rev}
    guard._logouts._verify = lambda token: {name: value for name, value in claims.items() if value is not None}
    threading.Thread(target=guard._listener.run, daemon=True).start()
    return guard.receive_logout(b"logout_token=t")


def end(revocation):
    """The application ends its sessions."""
    told.append(revocation)


def fail(_):
    raise RuntimeError("the store is down")


told = []
logouts = {
    "nothing": logged_out(),
    "onLogout": logged_out(on_logout=lambda _: None),
    "onRevocation": logged_out(on_revocation=end),
    "onRevocationThatFails": logged_out(on_revocation=fail),
    "onRevocationWithoutRev": logged_out(rev=None, on_revocation=end),
}


def slept():
    """Returns the difference of the clocks after an answer that took 5 s, and one during which the machine slept."""
    measured = Broker(issuer, Credentials(issuer, "sydney", "secret", None), clock).clock
    now = clock.wall()
    offsets = []
    for took_ms in (5_000, 60_000):
        measured.heard(formatdate(now - took_ms // 1000 + 100), clock.elapsed_ms() - took_ms)
        offsets.append(90 < measured.offset < 105)
    return offsets


print(
    json.dumps(
        {
            "polled": polled,
            "stopped": stopped(),
            "shared": shared(),
            "slept": slept(),
            "jumped": jumped(),
            "hurried": hurried(),
            "logouts": logouts,
            "told": len(told),
        }
    )
)
