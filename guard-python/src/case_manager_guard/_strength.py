"""How a user has authenticated, compared with what an act demands (RFC 9470)."""

from collections.abc import Mapping
from typing import Any

STRENGTHS = ("urn:case-manager:acr:mfa", "phr")
"""The values of `acr` that the broker issues, the weakest first. Each includes those before it."""


def step_up_for(claims: Mapping[str, Any], acr: str | None, max_age: int | None, now: float) -> dict[str, str]:
    """Returns how to ask for the demanded authentication, and nothing if the claims show it. Claims without `acr` or
    `auth_time` show none.

    :param now: the broker's clock, clock tolerance deducted
    """
    shown, at = claims.get("acr"), claims.get("auth_time")
    is_stronger = acr in STRENGTHS and shown in STRENGTHS and STRENGTHS.index(shown) > STRENGTHS.index(acr)
    is_strong = acr is None or shown == acr or is_stronger
    is_recent = max_age is None or (isinstance(at, (int, float)) and now - at <= max_age)
    if is_strong and is_recent:
        return {}
    demand = {"acr_values": acr, "max_age": max_age}
    return {name: str(value) for name, value in demand.items() if value is not None}
