"""An instance with Flask: Authlib signs users in, and the back channel ends their sessions."""

import os
import secrets
import time

import requests
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, request, session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ISSUER, CLIENT_ID, BASE_URL = os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["BASE_URL"]
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

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


@app.post("/oidc/backchannel-logout")
def backchannel_logout():
    try:
        claims = verify_logout_token(request.form.get("logout_token", ""))
    except requests.RequestException:
        return {"error": "keys_unavailable"}, 503  # The broker retries.
    except (JoseError, KeyError, ValueError):
        return {"error": "invalid_request"}, 400
    for id, kept in list(SESSIONS.items()):
        if kept["sid"] == claims.get("sid") or ("sid" not in claims and kept["sub"] == claims["sub"]):
            del SESSIONS[id]
    return "", 204


def verify_logout_token(value: str) -> dict:
    """OpenID Connect Back-Channel Logout 1.0, section 2.6. Sign-outs are rare, so the keys are read each time."""
    jwks = requests.get(oauth.broker.load_server_metadata()["jwks_uri"], timeout=5)
    jwks.raise_for_status()
    token = jwt.decode(value, KeySet.import_key_set(jwks.json()), algorithms=["RS256"])
    essential = {"essential": True}
    jwt.JWTClaimsRegistry(
        leeway=30, iss={**essential, "value": ISSUER}, aud={**essential, "value": CLIENT_ID}, exp=essential, jti=essential
    ).validate(token.claims)
    if token.header.get("typ") != "logout+jwt" or "nonce" in token.claims or LOGOUT_EVENT not in token.claims["events"]:
        raise ValueError("This is not a logout token.")
    if not {"sid", "sub"} & token.claims.keys():
        raise ValueError("The logout token names neither a session nor a user.")
    return token.claims
