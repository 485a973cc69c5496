"""An instance with Flask: Authlib signs users in; the guard ends their sessions and checks the tokens of the API."""

import os
import secrets
import time

from authlib.integrations.flask_client import OAuth
from case_manager_guard import Guard, Logout
from case_manager_guard.wsgi import GuardMiddleware
from flask import Flask, redirect, request, session

ISSUER, CLIENT_ID, BASE_URL = os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["BASE_URL"]

app = Flask(__name__)
app.secret_key = os.environ["COOKIE_SECRET"]
app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=BASE_URL.startswith("https:"))
oauth = OAuth(app)
oauth.register(
    "broker",
    client_id=CLIENT_ID,
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)

# Sessions by id, on the server, so that a back-channel logout can end them. With several processes,
# use a database.
SESSIONS: dict[str, dict] = {}


@app.get("/start")
def start():
    return '<a href="/login">Sign in with Microsoft</a>'


@app.get("/login")
def login():
    return oauth.broker.authorize_redirect(f"{BASE_URL}/callback")


@app.get("/callback")
def callback():
    token = oauth.broker.authorize_access_token()
    user = token["userinfo"]
    session["id"] = secrets.token_urlsafe(32)
    # The session ends with the access token. Then /login asks the broker again, which shows no page
    # while its own session lives.
    SESSIONS[session["id"]] = {"sub": user["sub"], "name": user["name"], "sid": user["sid"], "until": token["expires_at"]}
    return redirect("/me")


@app.get("/me")
def me():
    kept = SESSIONS.get(session.get("id", ""))
    if kept is None or kept["until"] < time.time():
        return {"error": "signed_out"}, 401
    return {"sub": kept["sub"], "name": kept["name"]}


@app.get("/api/me")
def api_me():
    return {"sub": request.environ["case_manager.claims"]["sub"]}


def end(logout: Logout) -> None:
    for id, kept in list(SESSIONS.items()):
        if kept["sid"] == logout.sid or (logout.sid is None and kept["sub"] == logout.sub):
            del SESSIONS[id]


guard = Guard(
    issuer=ISSUER,
    client_id=CLIENT_ID,
    client_secret=os.environ["CLIENT_SECRET"],
    audience=os.environ.get("AUDIENCE"),
    on_logout=end,
)
# /api needs an access token. The other paths look at the cookie themselves.
app.wsgi_app = GuardMiddleware(
    app.wsgi_app, guard, public=["/start", "/login", "/callback", "/me"], logout="/oidc/backchannel-logout"
)
