"""What the guard for Python remembers of proofs, and which addresses are the same."""

import json

from case_manager_guard import Guard
from case_manager_guard._proofs import UsedProofs, normal

NOW = 1_795_510_800


def used(limit, *uses):
    proofs = UsedProofs(limit)
    return [proofs.use(name.encode(), NOW + iat, NOW + now) for name, iat, now in uses]


def is_same(one, other):
    return normal(one) is not None and normal(one) == normal(other)


def problem(public_address):
    try:
        Guard(issuer="https://broker.example", client_id="c", client_secret="s", public_address=public_address)
    except ValueError as error:
        return str(error)


print(
    json.dumps(
        {
            "setBack": used(10, ("a", 30, 0), ("a", 30, 90), ("b", 200, 200), ("a", 30, 0), ("c", 200, 200)),
            "bounded": used(2, ("a", 0, 0), ("b", 0, 0), ("c", 0, 0), ("a", 0, 0), ("c", 80, 80)),
            "same": [
                is_same("https://a.example", "HTTPS://A.EXAMPLE:443/?x#y"),
                is_same("https://a.example/%7ea", "https://a.example/~a"),
            ],
            "other": [
                is_same("https://a.example/a%2Fb", "https://a.example/a/b"),
                is_same("https://a.example/\u00e4", "https://a.example/\u00e4"),
                is_same("/cases", "/cases"),
            ],
            "wrong": [
                problem(address) is not None
                for address in ["https://a.example/", "http://a.example", "https://a.example?x", "a.example", "https://u@a.example"]
            ],
            "right": [problem(address) for address in ["https://a.example/v1", ["http://localhost:3000"], None]],
        }
    )
)
