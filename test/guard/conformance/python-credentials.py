"""How a guard authenticates by the token of its workload: prints it as JSON."""

import json

from case_manager_guard import Guard
from case_manager_guard._broker import Credentials

tokens = iter(["first", "second"])
credentials = Credentials("https://sign-in.example", "sydney", None, None, lambda: next(tokens))
sent = [credentials.members(0) for _ in range(2)]
try:
    Guard(issuer="https://sign-in.example", client_id="sydney", client_secret="x", client_assertion=lambda: "x")
    problem = None
except ValueError as error:
    problem = str(error)
print(json.dumps({"sent": sent, "headers": credentials.headers(), "problem": problem}))
