"""A guard in Python, written from docs/feed.md: it checks access tokens and follows the broker's revocation feed."""

import base64
import json
import random
import socket
import threading
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt

SILENCE_SECONDS = 35
ANSWER_SECONDS = 5
MOST_BYTES = 4 * 2**20
TOLERANCE_SECONDS = 5
LONGEST_TOKEN_SECONDS = 3600
MAX_SEQ = 2**53 - 1
NAMES = {"session": ["sid"], "grant": ["sid", "client_id"], "subject": ["sub"], "client": ["client_id"], "tenant": ["tid"], "everything": []}


class Unreadable(Exception):
    """The broker sent data of an unknown form: the guard requests a full snapshot."""


def is_seq(value):
    return type(value) is int and 0 <= value <= MAX_SEQ


def key_of(selector):
    """Returns the key of a selector. An unknown kind covers everything."""
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
        pass  # The connection is already closed.


@contextmanager
def limited(connection):
    """Limits the time of a whole answer. A socket timeout limits only each read."""
    timer = threading.Timer(ANSWER_SECONDS, shut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Guard:
    def __init__(self, issuer, client_id, client_secret, audience, guard="python-1", stale_after_seconds=SILENCE_SECONDS):
        self.issuer, self.audience, self.name, self.stale_after = issuer, audience, guard, stale_after_seconds
        basic = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
        self.authorization = "Basic " + base64.b64encode(basic).decode()
        self.lock = threading.RLock()
        self.entries, self.keys, self.retired = {}, {}, set()
        self.epoch, self.seq, self.ready, self.heard_at = None, 0, False, 0.0
        self.exactly, self.turned, self.former = False, False, None
        self.offset = 0
        self.keys_read_at = 0.0
        self.stopped, self.report_due, self.hurry = threading.Event(), threading.Event(), threading.Event()
        self.live_here, self.hurried, self.socket, self.keys_changed = False, 0, None, False

    def start(self):
        for run in (self._follow, self._report):
            threading.Thread(target=run, daemon=True).start()

    def stop(self):
        self.stopped.set()
        self.report_due.set()
        self.hurry.set()

    # --- The check ---

    def check(self, token):
        """Returns 200 (accepted), 401 (rejected) or 503 (the guard cannot decide)."""
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
            return 200 if self.ready and time.monotonic() - self.heard_at <= self.stale_after else 503

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

    def _check_times(self, claims):
        """Checks the times by the clock that is ahead. Returns 503 if a new token would fail too."""
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
        try:
            self.keys_read_at = time.monotonic()
            jwks = json.loads(self._request("GET", "/jwks")[1])
            self.keys = {jwk["kid"]: jwt.PyJWK(jwk).key for jwk in jwks["keys"] if jwk.get("alg") == "ES256"}
        except (OSError, HTTPException, ValueError, KeyError, jwt.PyJWTError):
            pass  # The next token of an unknown key triggers another read.

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
        """Connects at once, because the broker is up. Closes a stream that lacks this rev after a second."""
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
        connection = self._connect(SILENCE_SECONDS)
        try:
            self.hurry.clear()
            connection.connect()
            self.socket = connection.sock
            with limited(connection.sock):
                connection.request("GET", self._path("/revocations?" + urlencode({"guard": self.name})), headers=headers)
                response = connection.getresponse()
            if response.status != 200:
                raise ValueError(f"the feed answered {response.status}")
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
            if self.live_here:
                self.heard_at = time.monotonic()
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
        """Applies an event. Returns False if the stream must be closed."""
        if event not in ("reset", "snapshot", "revocation", "head", "live", "keys", "end"):
            return True
        try:
            data = json.loads(text)
            with self.lock:
                if identifier is not None and event in ("revocation", "head") and identifier.rpartition(".")[0] != self.epoch:
                    raise Unreadable(event)
                goes_on = getattr(self, "_on_" + event)(data) is not False
            if self.keys_changed:  # Without the lock, so that checks go on during the request.
                self.keys_changed = False
                self._read_keys()
            return goes_on
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(event) from error

    def _on_reset(self, data):
        self.turned = self.turned or self.ready or self.exactly
        self.ready, self.live_here, self.exactly = False, False, False
        self.epoch, self.seq, self.entries, self.hurried = data["epoch"], 0, {}, 0
        self.keys_changed = True

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
        self.seq, self.exactly, self.live_here, self.heard_at, self.ready = data["seq"], False, True, time.monotonic(), True
        self.report_due.set()

    def _on_keys(self, data):
        self.retired |= set(data["retired_kids"])
        self.keys_changed = True

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
            report["staleness"] = {"after_seconds": self.stale_after, "policy": "refuse"}
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
        try:
            headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
            connection.connect()
            with limited(connection.sock):
                connection.request(method, self._path(path), body, headers)
                response = connection.getresponse()
                text = response.read(MOST_BYTES)
            if response.headers["Date"]:
                offset = parsedate_to_datetime(response.headers["Date"]).timestamp() + 0.5 - time.time()
                self.offset = 0 if abs(offset) < 2 else round(offset)
            return response.status, text
        finally:
            connection.close()
