"""An API with FastAPI: the guard checks each access token, and rejects it as soon as its session has ended."""

import os

from case_manager_guard import Guard
from case_manager_guard.asgi import GuardMiddleware
from fastapi import FastAPI, Request

guard = Guard(
    issuer=os.environ["ISSUER"],
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    audience=os.environ.get("AUDIENCE"),
)
app = FastAPI()
app.add_middleware(GuardMiddleware, guard=guard, public=["/healthz"])


@app.get("/healthz")
def healthz():
    return {"up": True}


@app.get("/api/me")
def me(request: Request):
    return {"sub": request.state.claims["sub"]}
