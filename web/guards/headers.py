"""Headers that every answer carries."""

from flask import Flask, Response, request

from web.observing.request_id import request_id
from web.routes import Mark, is_marked

_SECURITY = {
    # Result images are data: URLs, since nothing is stored. Everything else comes from this server.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # For readers older than frame-ancestors.
    "X-Frame-Options": "DENY",
    # Other sites learn nothing. Without a policy, browsers would send "Origin: null" even to this server.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=(), payment=()",
}


def register(app: Flask, hsts_seconds: int) -> None:
    """Add the headers to every answer of the app; ask for HTTPS ever after where that was used."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(_SECURITY)
        response.headers["X-Request-Id"] = request_id()
        if hsts_seconds and request.is_secure:
            response.headers["Strict-Transport-Security"] = f"max-age={hsts_seconds}"
        if not is_marked(Mark.FOR_KEEPING):
            response.headers["Cache-Control"] = "no-store"
        return response
