"""Middleware for Django's own sessions. For access tokens wrap the application by that of WSGI or ASGI."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse  # type: ignore[import-not-found, import-untyped, unused-ignore]

from ._own_sessions import Sessions
from ._sessions import SessionState

GetResponse = Callable[[Any], Any]


class SessionMiddleware(Sessions[GetResponse, Any]):
    """
    Put it into `MIDDLEWARE` behind Django's SessionMiddleware, as a partial of this class with its options.
    `request.ended` says why a session has ended, and is None otherwise.
    """

    def __call__(self, request: Any) -> Any:
        judged = self._judged(request, request.path)
        if judged is None or isinstance(judged, SessionState):
            request.ended = judged
            return self._app(request)
        status, headers, body = judged
        return HttpResponse(body, status=status, headers=headers)
