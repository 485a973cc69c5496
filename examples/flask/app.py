"""An instance with Flask: Authlib signs users in; the guard judges their sessions, and the tokens of the API."""

import os
import secrets
import time

from authlib.integrations.flask_client import OAuth, OAuthError
from case_manager_guard import Guard, SessionState
from case_manager_guard.wsgi import GuardMiddleware, SessionMiddleware
from flask import Flask, abort, redirect, request, session
from markupsafe import escape

ISSUER, CLIENT_ID, BASE_URL = os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["BASE_URL"]
CLIENT_SECRET = os.environ["CLIENT_SECRET"]

app = Flask(__name__)
app.secret_key = os.environ["COOKIE_SECRET"]
app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=BASE_URL.startswith("https:"))
oauth = OAuth(app)
oauth.register(
    "broker",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)
guard = Guard(issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, audience=os.environ.get("AUDIENCE"))
# Sessions by id, on the server: tokens stay out of the browser. With several processes, use a database.
SESSIONS: dict[str, dict] = {}


def kept() -> dict:
    """The session of this request. Empty if there is none."""
    return SESSIONS.get(session.get("id", ""), {})


def signed_in() -> dict | None:
    """The same for pages: after the access token has expired, the user goes through /login again."""
    user = kept()
    return user if user and user["until"] > time.time() else None


def claims_of(environ: dict) -> dict | None:
    with app.request_context(environ):
        return kept().get("claims")


def end_session(environ: dict, ended: SessionState) -> None:
    with app.request_context(environ):
        SESSIONS.pop(session.get("id", ""), None)


# An open page asks /session/events whether its session has ended, and then says so.
TELL = """<p id="ended" hidden>You are signed out.</p><script>
  new EventSource('/session/events').addEventListener('ended', ({ target }) => {
    target.close()
    document.getElementById('ended').hidden = false
  })
</script>"""


@app.get("/")
def home():
    user = signed_in()
    if user is None:
        return '<a href="/login">Sign in with Microsoft</a>'
    return f'{escape(user["claims"]["name"])} <a href="/logout">Sign out</a>{TELL}'


@app.get("/login")
def login():
    return oauth.broker.authorize_redirect(f"{BASE_URL}/callback")


@app.get("/callback")
def callback():
    # Authlib does not check it (RFC 9207).
    if request.args.get("iss") != ISSUER:
        abort(400)
    try:
        token = oauth.broker.authorize_access_token()
    except OAuthError as error:
        # The user turned back, or came by the Back button.
        if error.error in ("access_denied", "mismatching_state"):
            return redirect("/")
        raise
    SESSIONS.pop(session.get("id", ""), None)
    session["id"] = secrets.token_urlsafe(32)
    SESSIONS[session["id"]] = {
        "claims": dict(token["userinfo"]),
        "id_token": token["id_token"],
        "until": token["expires_at"],
    }
    return redirect("/me")


@app.get("/me")
def me():
    user = signed_in()
    # The broker shows no page while its own session lives, which counts as the user's activity there.
    return redirect("/login") if user is None else {name: user["claims"][name] for name in ("sub", "name")}


@app.get("/logout")
def logout():
    # The broker asks, and the user may choose to stay. So the session here lasts until it is revoked.
    return oauth.broker.logout_redirect(f"{BASE_URL}/signed-out", kept().get("id_token"), client_id=CLIENT_ID)


@app.get("/signed-out")
def signed_out():
    return f'You are signed out. <a href="{ISSUER}/logout/done">What has ended</a> <a href="/">Start page</a>'


@app.get("/api/me")
def api_me():
    return {"sub": request.environ["case_manager.claims"]["sub"]}


# Judges the session of each request, and ends it here as soon as it has ended at the broker.
app.wsgi_app = SessionMiddleware(app.wsgi_app, guard, claims_of, end_session, events="/session/events")
# Every path needs an access token, but for these.
app.wsgi_app = GuardMiddleware(
    app.wsgi_app,
    guard,
    public=["/", "/login", "/callback", "/me", "/logout", "/signed-out", "/session/events"],
    logout="/oidc/backchannel-logout",
)
# It does not wait. Until the guard has reached the broker, pages of users who are signed in answer 503.
guard.start()
