"""Tokens: where the settings hold digests of some, nobody gets in without one of them.

`python -m web.guards.tokens` makes a token, and the digest for the setting TOKENS.
"""

import hashlib
import hmac
import secrets

from flask import Flask, request

from model.sentences import Sentence
from web.refusals import Refusal
from web.routes import Mark, is_marked
from web.settings import PREFIX

# Programs send the token itself. Browsers ask for a password and send it under any name. Each challenge has its own
# header, since Chromium reads only the first challenge of one.
_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="brain-mri"'),
    ("WWW-Authenticate", 'Basic realm="brain-mri", charset="UTF-8"'),
)


def digest_of(token: str) -> str:
    """Return a token's SHA-256. Tokens are long and random, and need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_known(token: str, digests: tuple[str, ...]) -> bool:
    """Return whether the token has one of the digests, in constant time."""
    digest = digest_of(token)
    return any(hmac.compare_digest(digest, known) for known in digests)


def register(app: Flask, digests: tuple[str, ...]) -> None:
    """Refuse every request without a known token, if there are any digests; page and API alike."""
    if not digests:
        return

    @app.before_request
    def ask_for_token() -> None:
        if not is_marked(Mark.OPEN_TO_ALL) and not is_known(_sent_token(), digests):
            raise Refusal(
                "unauthorized",
                Sentence(
                    "Expected a token that this server knows. Received none or another. "
                    "Send it as 'Authorization: Bearer TOKEN', or as the password in the browser's dialog."
                ),
                _CHALLENGES,
            )


def _sent_token() -> str:
    sent = request.authorization
    if sent is None:
        return ""
    return (sent.token if sent.type == "bearer" else sent.password) or ""


def main() -> None:
    """Print a new token of 256 random bits, and its digest for the server."""
    token = secrets.token_urlsafe(32)
    print(f"Token, for the users of the server: {token}")
    print(f"For the server, with others after a comma: {PREFIX}TOKENS={digest_of(token)}")


if __name__ == "__main__":
    main()
