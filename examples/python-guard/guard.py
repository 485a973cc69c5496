"""A guard in Python, written from docs/feed.md: it checks access tokens and follows the broker's revocation feed."""

import base64
import json
import os
import random
import secrets
import socket
import threading
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt

FIRST_SILENCE_SECONDS = 15
DRIFT = 0.001
STEPS_MS = 20
LOST = 0.02
RATE_MS = 60_000
ANSWER_SECONDS = 5
LATE_MS = 10_000
MOST_BYTES = 4 * 2**20
NAMED_MS, MOST_NAMED = 120_000, 20
TOLERANCE_SECONDS = 5
LONGEST_TOKEN_SECONDS = 3600
MAX_SEQ = 2**53 - 1
NAMES = {"session": ["sid"], "grant": ["sid", "client_id"], "subject": ["sub"], "client": ["client_id"], "tenant": ["tid"], "everything": []}


class Unreadable(Exception):
    """What the broker sent cannot be understood: ask for everything again."""


class Elapsed:
    """Milliseconds that also count the time in which the machine was suspended."""

    def __init__(self):
        self.lock, self.sum, self.last = threading.Lock(), 0.0, (time.monotonic(), time.time())

    def __call__(self):
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
        with self.lock:
            now = (time.monotonic(), time.time())
            steady, wall = now[0] - self.last[0], now[1] - self.last[1]
            # The wall clock's rounding would add up, so it counts only from 2 ms more.
            self.sum += (wall if wall > steady + 0.002 else steady) * 1000
            self.last = now
            return self.sum


elapsed = Elapsed()


class Lease:
    """Until when tokens may be accepted (docs/feed.md, "The lease"). The guard's lock is held around each call."""

    def __init__(self):
        self.until, self.length, self.anchors, self.rate_from = 0.0, None, [], None
        self.process, self.was_held, self.ran_out, self.drift_ppm = os.getpid(), False, 0, None

    def held(self):
        is_held = elapsed() < self.until and os.getpid() == self.process
        self.ran_out += self.was_held and not is_held
        self.was_held = is_held
        return is_held

    def end(self):
        self.until, self.was_held = 0.0, False

    def anchor(self, clock, at, sent, received):
        if any(one[0] != clock for one in self.anchors):
            self.anchors, self.rate_from = [], None
        self._compare_rate(at, sent, received)
        best = max(self.anchors, key=lambda one: one[2] - one[1], default=None)
        self.anchors = [one for one in (best, (clock, at, sent)) if one]

    def grant(self, clock, known, seconds):
        """True: a new anchor is due."""
        length = seconds * 1000
        self.held()
        if self.length is not None and length < self.length:
            self.until = 0.0
        self.length = length
        if self.drift_ppm is not None:
            return True
        of_clock = [one for one in self.anchors if one[0] == clock]
        for _, at, sent in of_clock:
            since = known - at
            self.until = max(self.until, sent + since + length - DRIFT * (abs(since) + length) - STEPS_MS)
        return not self.held() or not any(abs(known - at) * DRIFT <= length * LOST for _, at, _ in of_clock)

    def _compare_rate(self, at, sent, received):
        first = self.rate_from = self.rate_from or (at, sent, received)
        passed = at - first[0]
        if passed < RATE_MS:
            return
        self.rate_from = (at, sent, received)
        most, least = received - first[1] + STEPS_MS, sent - first[2] - STEPS_MS
        parts_by = most / passed - 1 if most < passed * (1 - DRIFT) else least / passed - 1 if least > passed * (1 + DRIFT) else 0
        self.drift_ppm = round(parts_by * 1e6) or None
        if self.drift_ppm is not None:
            self.end()


def is_seq(value):
    return type(value) is int and 0 <= value <= MAX_SEQ


def key_of(selector):
    """An unknown kind covers everything."""
    kind = selector.get("kind")
    values = [selector.get(name) for name in NAMES.get(kind, [])]
    if kind not in NAMES or not all(isinstance(value, str) and value for value in values):
        return ("everything",)
    return (kind, *values)


def shut(connection):
    """Ends a connection that another thread reads."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except (AttributeError, OSError):
        pass  # There is none.


@contextmanager
def limited(connection):
    """A limit of time on a whole answer: the timeout of a socket is one on each of its pieces."""
    timer = threading.Timer(ANSWER_SECONDS, shut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Guard:
    def __init__(self, issuer, client_id, client_secret, audience, guard="python-1"):
        self.issuer, self.audience, self.name = issuer, audience, guard
        basic = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
        self.authorization = "Basic " + base64.b64encode(basic).decode()
        self.lock = threading.RLock()
        self.entries, self.keys, self.retired = {}, {}, set()
        self.epoch, self.seq, self.ready = None, 0, False
        self.lease, self.clock, self.sent, self.anchor_asked_at = Lease(), None, 0.0, 0.0
        self.stream, self.streams = None, {}
        self.exactly, self.turned, self.former = False, False, None
        self.broker_ahead = None
        self.keys_read_at, self.keys_lock = 0.0, threading.Lock()
        self.stopped, self.report_due, self.hurry = threading.Event(), threading.Event(), threading.Event()
        self.live_here, self.hurried, self.socket = False, 0, None

    def start(self):
        for run in (self._follow, self._report):
            threading.Thread(target=run, daemon=True).start()

    def stop(self):
        self.stopped.set()
        self.report_due.set()
        self.hurry.set()

    # --- The check ---

    def check(self, token):
        """200: accepted; 401: rejected; 503: this guard cannot know."""
        with self.lock:
            if not self.ready:
                return 503
        status, claims, kid = self._verify(token)
        if status != 200:
            return status
        with self.lock:
            if claims["rev"] > self.seq:
                self._hurry(claims["rev"])
            if kid in self.retired or self._is_revoked(claims):
                return 401
            return 200 if self.ready and self.lease.held() else 503

    def _verify(self, token):
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return 401, None, None
        kid, typ = header.get("kid"), str(header.get("typ")).lower().removeprefix("application/")
        if header.get("alg") != "ES256" or typ != "at+jwt" or "crit" in header or not isinstance(kid, str):
            return 401, None, None
        key = self._key(kid)
        if key is None:
            return 401, None, None
        options = {"require": ["exp", "iat", "iss", "aud", "sub", "jti"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims = jwt.decode(token, key, algorithms=["ES256"], audience=self.audience, issuer=self.issuer, options=options)
        except jwt.PyJWTError:
            return 401, None, None
        texts = [claims.get(name) for name in ("sub", "client_id", "jti")]
        texts += [claims[name] for name in ("sid", "tid") if name in claims]
        times = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
        if not all(isinstance(text, str) and text for text in texts) or not all(type(at) in (int, float) for at in times):
            return 401, None, None
        if not is_seq(claims.get("rev")):
            return 401, None, None
        return self._check_times(claims), claims, kid

    @property
    def offset(self):
        """The broker's clock minus this one's, in seconds. It is kept by a clock that is never set."""
        offset = 0 if self.broker_ahead is None else self.broker_ahead + elapsed() / 1000 - time.time()
        return 0 if abs(offset) < 2 else round(offset)

    def _check_times(self, claims):
        """By the clock that is ahead. What a new token would suffer too is 503."""
        ahead = max(0, -self.offset)
        now = time.time() + max(0, self.offset)
        if claims["exp"] <= now - TOLERANCE_SECONDS:
            return 503 if ahead > TOLERANCE_SECONDS and ahead * 2 >= claims["exp"] - claims["iat"] else 401
        return 503 if max(claims["iat"], claims.get("nbf", 0)) > now + TOLERANCE_SECONDS else 200

    def _is_revoked(self, claims):
        rev = claims["rev"]
        for kind, names in NAMES.items():
            if self.entries.get((kind, *(claims.get(name) for name in names)), (0, 0))[0] > rev:
                return True
        return self.former is not None and rev > self.former[0] and claims["iat"] < self.former[1]

    # --- The keys ---

    def _key(self, kid):
        if kid not in self.keys and time.monotonic() - self.keys_read_at > 10:
            self._read_keys()
        return None if kid in self.retired else self.keys.get(kid)

    def _read_keys(self):
        self.keys_read_at = time.monotonic()
        with self.keys_lock:
            try:
                jwks = json.loads(self._request("GET", "/jwks")[1])
                self.keys = {jwk["kid"]: jwt.PyJWK(jwk).key for jwk in jwks["keys"] if jwk.get("alg") == "ES256"}
            except (OSError, HTTPException, ValueError, KeyError, jwt.PyJWTError):
                pass  # The next token of an unknown key asks again.

    # --- The feed ---

    def _follow(self):
        lost_at = time.monotonic()
        while not self.stopped.is_set():
            try:
                self._stream()
            except Unreadable:
                with self.lock:
                    self.ready, self.epoch = False, None
            except (OSError, HTTPException, ValueError):
                pass
            lost_at = time.monotonic() if self.live_here else lost_at
            self.live_here = False
            ceiling = 0.5 if time.monotonic() - lost_at < 10 else 2.0
            self.hurry.wait(ceiling * (0.2 + 0.8 * random.random()))

    def _hurry(self, rev):
        """The broker is up: connect at once. A stream that does not bring this rev within a second is stuck."""
        self.hurry.set()
        if self.live_here and rev > self.hurried:
            self.hurried = rev
            timer = threading.Timer(1, lambda: shut(self.socket) if self.live_here and self.seq < rev else None)
            timer.daemon = True
            timer.start()

    def _stream(self):
        discovery = json.loads(self._request("GET", "/.well-known/openid-configuration")[1])
        if discovery["issuer"] != self.issuer:
            raise ValueError(f"issuer is {self.issuer}, but the broker there is {discovery['issuer']}")
        if not self.keys:
            self._read_keys()
        headers = {"Accept": "text/event-stream", "Authorization": self.authorization}
        if self.epoch is not None:
            headers["Last-Event-ID"] = f"{self.epoch}.{self.seq}"
        connection = self._connect(FIRST_SILENCE_SECONDS)
        try:
            self.hurry.clear()
            self.clock, self.sent = None, elapsed()
            connection.connect()
            self.socket = connection.sock
            with limited(connection.sock):
                connection.request("GET", self._path("/revocations?" + urlencode({"guard": self.name})), headers=headers)
                response = connection.getresponse()
            if response.status != 200 or not response.getheader("Content-Type", "").startswith("text/event-stream"):
                raise ValueError(f"the feed answered {response.status} {response.getheader('Content-Type')}")
            self._events(response)
        finally:
            connection.close()

    def _events(self, response):
        event, identifier, data = "", None, []
        while not self.stopped.is_set():
            line = response.readline(MOST_BYTES)
            if not line:
                return
            if not line.endswith(b"\n") or sum(map(len, data)) > MOST_BYTES:
                raise Unreadable("a line or an event without end")
            line = line.decode().rstrip("\r\n")
            if line == "":
                if data and not self._take(event, identifier, "\n".join(data)):
                    return
                event, identifier, data = "", None, []
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                event = value
            elif field == "id":
                identifier = value
            elif field == "data":
                data.append(value)

    def _take(self, event, identifier, text):
        """False: close the stream."""
        if event not in ("anchor", "lease", "reset", "snapshot", "revocation", "head", "live", "keys", "end"):
            return True
        try:
            data = json.loads(text)
            with self.lock:
                if identifier is not None and event in ("revocation", "head") and identifier.rpartition(".")[0] != self.epoch:
                    raise Unreadable(event)
                return getattr(self, "_on_" + event)(data) is not False
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(event) from error

    def _on_anchor(self, data):
        self.clock, self.stream = data["clock"], data["stream"]
        self._name_stream()
        self.lease.anchor(data["clock"], data["at_ms"], self.sent, elapsed())

    def _name_stream(self):
        """Reports name the streams whose leases may still run, the latest last."""
        self.streams.pop(self.stream, None)
        self.streams[self.stream] = elapsed()
        named = [one for one in self.streams.items() if one[1] > elapsed() - NAMED_MS]
        self.streams = dict(named[-MOST_NAMED:])

    def _on_lease(self, data):
        if not self.live_here:
            return
        self._on_head(data)
        self._name_stream()
        was_held = self.lease.held()
        is_due = self.lease.grant(data["clock"], data["known_ms"], data["seconds"])
        self.socket.settimeout(max(1, data["seconds"] / 2))
        if is_due and elapsed() - self.anchor_asked_at > 1000:
            self.anchor_asked_at = elapsed()
            self._beside(self._take_anchor)
        if self.lease.ran_out > 0 and not was_held and self.lease.held():
            self.report_due.set()

    def _take_anchor(self):
        nonce, stream = secrets.token_urlsafe(16), self.socket
        try:
            sent = elapsed()
            answer = json.loads(self._request("GET", "/revocations/clock?" + urlencode({"nonce": nonce}))[1])
            if answer["nonce"] != nonce or self.socket is not stream:
                return
            with self.lock:
                if answer["clock"] == self.clock:
                    self.lease.anchor(answer["clock"], answer["at_ms"], sent, elapsed())
                else:  # Another process: open the stream again.
                    shut(stream)
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            pass  # The next lease asks again.

    def _beside(self, run):
        """The answer may take its time: checks and the stream go on."""
        threading.Thread(target=run, daemon=True).start()

    def _on_reset(self, data):
        self.lease.end()
        self.turned = self.turned or self.ready or self.exactly
        self.ready, self.live_here, self.exactly = False, False, False
        self.epoch, self.seq, self.entries, self.hurried = data["epoch"], 0, {}, 0
        self._beside(self._read_keys)

    def _on_snapshot(self, data):
        if self.epoch not in (None, data["epoch"]):
            self._on_reset(data)
        self.epoch = data["epoch"]
        for entry in data["entries"]:
            self._apply(entry)
        self.retired |= set(data["retired_kids"])
        self.seq = max(self.seq, data["seq"])

    def _on_revocation(self, data):
        self._apply(data)
        self._on_head(data)

    def _apply(self, entry):
        if not is_seq(entry["seq"]):
            raise ValueError("seq")
        key = key_of(entry["selector"])
        seq, exp = self.entries.get(key, (0, 0))
        self.entries[key] = (max(seq, entry["seq"]), max(exp, entry["exp"]))

    def _on_head(self, data):
        if data["seq"] > self.seq:
            self.seq = data["seq"]
            self.report_due.set()

    def _on_live(self, data):
        if data["epoch"] != self.epoch:
            raise ValueError("epoch")
        if data["seq"] < self.seq:
            self.ready, self.exactly = False, True
            return False
        now = time.time() + self.offset
        if self.turned:
            self.former, self.turned = (data["seq"], now), False
        self.entries = {key: entry for key, entry in self.entries.items() if entry[1] > now - 60}
        self.seq, self.exactly, self.live_here, self.ready = data["seq"], False, True, True
        self.report_due.set()

    def _on_keys(self, data):
        self.retired |= set(data["retired_kids"])
        self._beside(self._read_keys)

    def _on_end(self, _data):
        return False

    # --- The report ---

    def _report(self):
        retry = 2
        while not self.stopped.is_set():
            self.report_due.wait(300)
            self.report_due.clear()
            if not self.ready or self.stopped.is_set():
                continue
            report = {"epoch": self.epoch, "seq": self.seq, "guard": self.name, "version": "python-example/1.0.0"}
            report["streams"] = list(self.streams)
            report["without_lease"], report["lease_ran_out"] = "reject", {"count": self.lease.ran_out}
            if self.lease.drift_ppm is not None:
                report["clock_drift_ppm"] = self.lease.drift_ppm
            report["clock_offset_seconds"] = self.offset
            try:
                status = self._request("POST", "/revocations/enforced", json.dumps(report))[0]
            except (OSError, HTTPException, ValueError):
                status = 0
            done = status in (204, 400, 409)
            if status == 409:
                shut(self.socket)
            retry = 2 if done else min(30, retry * 2)
            if not done:
                self.report_due.set()
            self.stopped.wait(1 if done else retry)

    # --- HTTP ---

    def _connect(self, timeout):
        parts = urlsplit(self.issuer)
        return (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(parts.netloc, timeout=timeout)

    def _path(self, path):
        return urlsplit(self.issuer).path + path

    def _request(self, method, path, body=None):
        connection = self._connect(ANSWER_SECONDS)
        begun = elapsed()
        try:
            headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
            connection.connect()
            with limited(connection.sock):
                connection.request(method, self._path(path), body, headers)
                response = connection.getresponse()
                text = response.read(MOST_BYTES)
            if response.headers["Date"] and elapsed() - begun < LATE_MS:
                self.broker_ahead = parsedate_to_datetime(response.headers["Date"]).timestamp() + 0.5 - elapsed() / 1000
            return response.status, text
        finally:
            connection.close()
