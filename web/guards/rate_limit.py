"""Limit the uploads of one address."""

import ipaddress
import logging
import math
import time

from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter, RateLimitExceeded
from limits.errors import ConfigurationError, StorageError

from model.sentences import Sentence
from web.refusals import Refusal
from web.routes import asks_for_work
from web.settings import PREFIX, Settings, SettingsError

# A Redis that is down or slow must not delay a request: then each worker counts in its own memory.
_REDIS_SECONDS = 1
# Whoever has one IPv6 address has the whole network.
_IPV6_PREFIX = 64


def register(app: Flask, settings: Settings) -> None:
    """Refuse uploads over the limit of the settings, if there is one.

    Raises:
        SettingsError: the storage needs a package that is not installed.
    """
    if not settings.rate_limit:
        return
    # At lower levels it logs addresses.
    logging.getLogger("flask-limiter").setLevel(logging.WARNING)
    in_redis = not settings.rate_limit_storage.startswith("memory")
    waits = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": _REDIS_SECONDS}
    limiter = Limiter(
        client_network,
        application_limits=[settings.rate_limit],
        strategy="moving-window",
        storage_uri=settings.rate_limit_storage,
        storage_options={"wrap_exceptions": True, **(waits if in_redis else {})},
        in_memory_fallback_enabled=in_redis,
    )
    # Reading pages and figures is not limited.
    limiter.request_filter(lambda: not (request.endpoint and asks_for_work()))
    try:
        limiter.init_app(app)
    except ConfigurationError as error:
        raise SettingsError(
            f"Expected the package of {PREFIX}RATE_LIMIT_STORAGE. It is not installed: see requirements/redis.txt."
        ) from error

    @app.errorhandler(RateLimitExceeded)
    def refuse(error: RateLimitExceeded) -> ResponseReturnValue:
        limit = error.limit.limit
        wait = _seconds_until_free(limiter, limit.get_expiry())
        detail = Sentence(
            "Too many uploads from one address: at most {n} in {seconds} s. Try again in {wait} s.",
            n=limit.amount,
            seconds=limit.get_expiry(),
            wait=wait,
        )
        return app.handle_user_exception(Refusal("too_many_requests", detail, [("Retry-After", str(wait))]))


def client_network() -> str:
    """Return the key that a request counts under: its IPv4 address, or the network of its IPv6 address."""
    address = request.remote_addr or ""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return "unknown"  # a proxy forwarded something else
    return address if version == 4 else str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def _seconds_until_free(limiter: Limiter, window_seconds: int) -> int:
    """Return the seconds until the next upload is accepted: the whole window if the storage has just failed."""
    current = limiter.current_limit
    try:
        free_at = current.window.reset_time if current else time.time() + window_seconds
    except StorageError:
        return window_seconds
    return max(1, math.ceil(free_at - time.time()))
