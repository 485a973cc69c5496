"""An instance with Flask: Authlib signs users in; the guard checks their sessions, and the tokens of the API."""

import os
import secrets

from authlib.integrations.flask_client import OAuth, OAuthError
from case_manager_guard import Guard
from case_manager_guard.wsgi import GuardMiddleware
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
# It does not wait. Until the guard has reached the broker, pages answer 503.
guard.start()

# Sessions by id, on the server: tokens stay out of the browser. With several processes, use a database.
SESSIONS: dict[str, dict] = {}


def signed_in() -> dict | None:
    """The session of this request, if its access token is neither expired nor revoked."""
    kept = SESSIONS.get(session.get("id", ""))
    decision = guard.check(kept["access_token"]) if kept else None
    if decision and decision.status == 503:
        abort(503)
    return kept if decision and decision.accepted else None


@app.get("/")
def home():
    user = signed_in()
    if user is None:
        return '<a href="/login">Sign in with Microsoft</a>'
    return f'{escape(user["name"])} <a href="/logout">Sign out</a>'


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
    user = token["userinfo"]
    SESSIONS[session["id"]] = {"sub": user["sub"], "name": user["name"]} | {
        name: token[name] for name in ("access_token", "id_token")
    }
    return redirect("/me")


@app.get("/me")
def me():
    user = signed_in()
    # The broker shows no page while its own session lives.
    return redirect("/login") if user is None else {"sub": user["sub"], "name": user["name"]}


@app.get("/logout")
def logout():
    # The broker asks, and the user may choose to stay. So the session here lasts until it is revoked.
    kept = SESSIONS.get(session.get("id", ""), {})
    return oauth.broker.logout_redirect(f"{BASE_URL}/signed-out", kept.get("id_token"), client_id=CLIENT_ID)


@app.get("/signed-out")
def signed_out():
    return f'You are signed out. <a href="{ISSUER}/logout/done">What has ended</a> <a href="/">Start page</a>'


@app.get("/api/me")
def api_me():
    return {"sub": request.environ["case_manager.claims"]["sub"]}


# Every path needs an access token, but for these. They look at the cookie themselves.
app.wsgi_app = GuardMiddleware(
    app.wsgi_app,
    guard,
    public=["/", "/login", "/callback", "/me", "/logout", "/signed-out"],
    logout="/oidc/backchannel-logout",
)
