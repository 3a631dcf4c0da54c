"""Headers that every answer carries."""

from flask import Flask, Response, request

from web.errors import request_id

_SECURITY = {
    # Result pictures are data: URLs, since nothing is stored; everything else comes from this server alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def register(app: Flask) -> None:
    """Add the headers to every answer of the app."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(_SECURITY)
        response.headers["X-Request-Id"] = request_id()
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response
