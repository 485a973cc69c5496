"""A guard that judges sessions, and its middlewares in front of a small application: a request a line."""

import asyncio
import json
import sys
import threading
from dataclasses import asdict
from functools import partial

from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import re_path

from case_manager_guard import Guard, asgi, django, wsgi

options = json.loads(sys.stdin.readline())
kept, failing, waited = {}, set(), []


def on_revocation(revocation):
    # A request may hold what this needs, and be checked meanwhile.
    request = threading.Thread(target=guard.check_session, args=[kept.get("checked")])
    request.start()
    request.join(2)
    waited.append(request.is_alive())
    if "listener" in failing:
        raise RuntimeError("the store is down")


guard = Guard(**options, on_revocation=on_revocation)


def own(cookie_of):
    return {
        "claims": lambda request: kept.get(cookie_of(request)),
        "end": lambda request, _: kept.pop(cookie_of(request)),
        "events": "/session/events",
    }


def wsgi_app(environ, start_response):
    start_response("200 OK", [])
    return [page(environ["cookie"], environ.get("case_manager.ended"))]


async def asgi_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": page(scope["cookie"], scope.get("state", {}).get("ended"))})


def page(cookie, ended):
    return f"{cookie in kept} {ended and ended.reason}".encode()


by_wsgi = wsgi.SessionMiddleware(wsgi_app, guard, **own(lambda environ: environ["cookie"]))
by_asgi = asgi.SessionMiddleware(asgi_app, guard, **own(lambda scope: scope["cookie"]))
# As guard-python/README.md says: Django keeps the claims in its own session.
judge = partial(
    django.SessionMiddleware,
    guard=guard,
    claims=lambda request: request.session.get("claims"),
    end=lambda request, ended: request.session.flush(),
    events="/session/events",
)


def django_page(request):
    return HttpResponse(f"{'claims' in request.session} {request.ended and request.ended.reason}")


urlpatterns = [re_path("", django_page)]
settings.configure(
    ALLOWED_HOSTS=["testserver"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "__main__.judge"],
    ROOT_URLCONF="__main__",
    SECRET_KEY="the key of this test",
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
)
browsers = {}


def ask_wsgi(cookie, path):
    answer = {}

    def start_response(status, headers):
        answer.update(status=int(status[:3]))

    body = b"".join(by_wsgi({"PATH_INFO": path, "cookie": cookie}, start_response))
    return {**answer, "body": body.decode()}


def ask_asgi(cookie, path):
    sent = []

    async def send(message):
        sent.append(message)
        if message.get("body", b"").startswith(b"retry"):
            say({"open": True})

    async def receive():
        await asyncio.sleep(60)

    asyncio.run(by_asgi({"type": "http", "path": path, "headers": [], "cookie": cookie}, receive, send))
    return {"status": sent[0]["status"], "body": b"".join(m.get("body", b"") for m in sent).decode()}


def ask_django(cookie, path):
    if cookie not in browsers:
        browsers[cookie] = Client()
        session = browsers[cookie].session
        session["claims"] = kept[cookie]
        session.save()
    answer = browsers[cookie].get(path)
    return {"status": answer.status_code, "body": answer.content.decode()}


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


guard.start()
for line in sys.stdin:
    request = json.loads(line)
    act = request.pop("do")
    if act == "session":
        say(asdict(guard.check_session(request["session"])))
    elif act == "token":
        say({"status": guard.check(request["token"]).status})
    elif act == "keep":
        kept[request["cookie"]] = request["session"]
        say({})
    elif act == "listener":
        failing.symmetric_difference_update({"listener"})
        say({})
    elif act == "waited":
        say({"waited": waited})
    elif act == "stop":
        guard.stop()
        say({})
    else:
        say({"wsgi": ask_wsgi, "asgi": ask_asgi, "django": ask_django}[act](**request))
