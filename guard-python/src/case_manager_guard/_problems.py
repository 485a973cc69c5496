"""The problems of a guard, in the log of its application."""

import logging
import threading


class Problems:
    """Logs each problem once, and again only when it has changed."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._lock = log, threading.Lock()
        self._known: dict[str, str] = {}

    def say(self, subject: str, text: str) -> None:
        with self._lock:
            if self._known.get(subject) == text:
                return
            self._known[subject] = text
        self._log.warning("Case Manager guard: %s", text)

    def solved(self, subject: str) -> None:
        with self._lock:
            if self._known.pop(subject, None) is None:
                return
        self._log.info("Case Manager guard: solved: %s", subject)
