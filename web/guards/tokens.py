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

# Programs send the token as it is, browsers as the password of any name: they ask for it by themselves. Each challenge
# has a header of its own, since Chromium reads only the first of one.
_CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="brain-mri"'),
    ("WWW-Authenticate", 'Basic realm="brain-mri", charset="UTF-8"'),
)


def digest_of(token: str) -> str:
    """Return a token's SHA-256. A token is random and long, so that no salt and no slow function are needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_known(token: str, digests: tuple[str, ...]) -> bool:
    """Return whether the token has one of the digests, in a time that does not tell how near it came."""
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
                    "Send it as 'Authorization: Bearer TOKEN', or as the password that the browser asks for."
                ),
                _CHALLENGES,
            )


def _sent_token() -> str:
    sent = request.authorization
    if sent is None:
        return ""
    return (sent.token if sent.type == "bearer" else sent.password) or ""


def main() -> None:
    """Print a new token of 256 random bits, and what the server is told of it."""
    token = secrets.token_urlsafe(32)
    print(f"Token, for those who may use the server: {token}")
    print(f"For the server, beside others by a comma: {PREFIX}TOKENS={digest_of(token)}")


if __name__ == "__main__":
    main()
