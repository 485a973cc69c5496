"""The guard of examples/python-guard behind a line: a first line of JSON with its arguments, then a token a line, answered by the status."""

import json
import os
import sys
from http.client import HTTPConnection

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "examples", "python-guard"))
from guard import Guard  # noqa: E402


class Behind(Guard):
    def _connect(self, timeout):
        return HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=timeout)


guard = Behind(*json.loads(sys.stdin.readline()))
guard.start()
for token in sys.stdin:
    print(guard.check(token.strip()), flush=True)
