"""Both middlewares in front of a small application: a request a line, answered by what the application or the guard said."""

import asyncio
import json
import os
import socket
import sys
import threading

from case_manager_guard import Guard, covers
from case_manager_guard import asgi, wsgi


def say(message):
    """Writes a line at once: the guard's threads write too, and print() writes the end of a line apart."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def revoked(revocation):
    say({"revoked": covers(revocation, {"sid": "s_1", "rev": 1})})


options = json.loads(sys.stdin.readline())
PROTECTION = {
    "public": options.pop("public", ["/open", "/assets/"]),
    "logout": "/logout",
    "scopes": options.pop("scopes", []),
}
guard = Guard(**options, on_revocation=revoked)
guard.start()


def wsgi_app(environ, start_response):
    start_response("200 OK", [])
    return [str(environ.get("case_manager.claims", {}).get("sub")).encode()]


async def asgi_app(scope, receive, send):
    claims = scope.get("state", {}).get("claims", {})
    if scope["type"] == "websocket":
        return await send({"type": "websocket.accept"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(claims.get("sub")).encode()})


by_wsgi = wsgi.GuardMiddleware(wsgi_app, guard, **PROTECTION)
by_asgi = asgi.GuardMiddleware(asgi_app, guard, **PROTECTION)


def ask_wsgi(request):
    answer = {}

    def start_response(status, headers):
        answer.update(status=int(status[:3]), headers={name.lower(): value for name, value in headers})

    environ = {"SCRIPT_NAME": "", "PATH_INFO": request["path"], "REQUEST_METHOD": "GET"}
    if "authorization" in request:
        environ["HTTP_AUTHORIZATION"] = request["authorization"]
    if "proofs" in request:
        environ["HTTP_DPOP"] = ",".join(request["proofs"])
    body = b"".join(by_wsgi(environ, start_response))
    return {**answer, "body": body.decode()}


def ask_asgi(request):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    headers = [(b"authorization", request["authorization"].encode())] if "authorization" in request else []
    headers += [(b"dpop", proof.encode()) for proof in request.get("proofs", [])]
    scope = {"type": request.get("type", "http"), "method": "GET", "path": request["path"], "headers": headers}
    asyncio.run(by_asgi(scope, receive, send))
    if scope["type"] == "websocket":
        return {"type": sent[0]["type"]}
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return {
        "status": sent[0]["status"],
        "headers": headers,
        "body": b"".join(m.get("body", b"") for m in sent).decode(),
    }


def ask_in_child(request):
    """A forked process has no thread of its parent, and no lease of it. It is asked once before it may connect."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        allowed = threading.Event()
        connect = socket.create_connection

        def connect_when_allowed(*args, **options):
            allowed.wait()
            return connect(*args, **options)

        socket.create_connection = connect_when_allowed
        first = guard.check(request["authorization"][7:]).status
        allowed.set()
        last = first
        while last == 503:
            last = guard.check(request["authorization"][7:]).status
        os.write(writer, json.dumps({"first": first, "last": last}).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reader, 1000))


for line in sys.stdin:
    request = json.loads(line)
    ask = {"wsgi": ask_wsgi, "asgi": ask_asgi, "child": ask_in_child}[request["by"]]
    say(ask(request))
