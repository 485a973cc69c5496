"""Drives the Python guard for the kit: npx @case-manager/guard conformance --adapter 'python3 adapter.py' --without logout --without private_key_jwt --without polling --without introspection"""

import json
import sys

from guard import Guard

guard = None
for line in sys.stdin:
    message = json.loads(line)
    act = message.pop("do")
    answer = {}
    if act == "start":
        guard = Guard(**message)
        guard.start()
    elif act == "check":
        answer = {"status": guard.check(message["token"])}
    elif act == "stop":
        guard.stop()
    print(json.dumps(answer), flush=True)
