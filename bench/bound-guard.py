"""The guard for Python behind a line: a first line of JSON with its arguments, then a token a line, answered by the status."""

import json
import sys
from http.client import HTTPConnection

from case_manager_guard import Guard


class Behind(Guard):
    def _assemble(self):
        super()._assemble()
        self._broker._kind, self._broker._address = HTTPConnection, f"127.0.0.1:{sys.argv[1]}"


names = ("issuer", "client_id", "client_secret", "audience", "guard")
guard = Behind(**dict(zip(names, json.loads(sys.stdin.readline()))))
guard.start()
for token in sys.stdin:
    print(guard.check(token.strip()).status, flush=True)
