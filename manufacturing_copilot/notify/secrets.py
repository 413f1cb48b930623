"""Keeping the secrets of addresses out of logs and tables: an apprise URL holds passwords and tokens."""

from __future__ import annotations

import logging
import re
from urllib.parse import parse_qsl, unquote, urlsplit

_HIDDEN = "***"
_SHORTEST = 4
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_LOGGERS = ("apprise", "urllib3", "urllib3.connectionpool")
_OPEN_KEYS = frozenset({"mode", "format", "method", "from", "to", "cc", "bcc", "name", "overflow", "cto", "rto"})


class SecretFilter(logging.Filter):
    """Takes the secrets of known addresses, and every URL, out of log records."""

    def __init__(self) -> None:
        """Start with no secret known."""
        super().__init__()
        self._secrets: set[str] = set()

    def learn(self, url: str) -> None:
        """Hide from now on what `url` keeps secret: password, path tokens and values of its options."""
        self._secrets |= secrets_of(url)

    def clean(self, text: str) -> str:
        """Return `text` without secrets and URLs."""
        without_urls = _URL.sub(lambda match: match.group().partition("://")[0] + "://" + _HIDDEN, text)
        for secret in sorted(self._secrets, key=len, reverse=True):
            without_urls = without_urls.replace(secret, _HIDDEN)
        return without_urls

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record without secrets; a traceback, which may quote an address, is dropped."""
        record.msg, record.args = self.clean(record.getMessage()), None
        record.exc_info = record.exc_text = None
        return True


def secrets_of(url: str) -> set[str]:
    """Return the parts of an apprise URL that must not be shown, as written and decoded."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url}
    _, _, password = parts.netloc.rpartition("@")[0].partition(":")
    options = [value for key, value in parse_qsl(parts.query) if key.lower() not in _OPEN_KEYS]
    secret_parts = {url, password, *parts.path.split("/"), *options}
    # services like Slack carry a token where others carry the host
    host = parts.netloc.rpartition("@")[2]
    if not re.search(r"[.:]|^localhost$", host):
        secret_parts.add(host)
    return {form for part in secret_parts for form in (part, unquote(part)) if len(form) >= _SHORTEST}


_filter = SecretFilter()


def guard(*urls: str) -> SecretFilter:
    """Keep these URLs' secrets out of the logs of apprise and its HTTP client; return the filter, to clean texts.

    Their loggers are held at INFO or above: below it they write tokens and the bodies of answers.
    """
    for url in urls:
        _filter.learn(url)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
        if _filter not in logger.filters:
            logger.addFilter(_filter)
    return _filter
