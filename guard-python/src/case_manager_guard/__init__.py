"""The guard of the Case Manager Identity Broker: it checks access tokens without a network call, and rejects them as
soon as their session has ended. Its rules are those of docs/feed.md of the broker."""

from ._bearer import step_up_challenge
from ._ledger import Revocation, covers
from ._logout import Logout
from ._proofs import Request
from ._sessions import SessionState
from ._tokens import Claims
from .guard import Decision, Guard

__all__ = ["Claims", "Decision", "Guard", "Logout", "Request", "Revocation", "SessionState", "covers", "step_up_challenge"]
