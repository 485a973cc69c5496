"""The guard for Python behind a line: a first line of JSON with its arguments, then a line for each request: a token, which
is answered by the status, or the claims of a session, which are answered by what the guard says of it."""

import json
import sys
from http.client import HTTPConnection

from case_manager_guard import Guard


class Behind(Guard):
    def _assemble(self):
        super()._assemble()
        self._broker._kind, self._broker._address = HTTPConnection, f"127.0.0.1:{sys.argv[1]}"


start = json.loads(sys.stdin.readline())
guard = Behind(**start["options"])
if start["judges"]:
    guard.judge_sessions()
guard.start()
for line in sys.stdin:
    if line.startswith("{"):
        print(json.dumps(vars(guard.check_session(json.loads(line)))), flush=True)
    else:
        print(guard.check(line.strip()).status, flush=True)
