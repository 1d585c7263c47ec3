"""The API's OpenAPI document: the calls of providers and of casinos."""

from api.casino import openapi as casino
from api.documentation.document import OPERATIONS, Document
from api.provider import openapi as provider

_TEXT = """\
Game providers send bets, and casinos confirm what their wallets did. Every bet is carried to its end, whatever fails
in between.

A **provider** signs each request: four headers, new for each request, repeats included. An answer with
`_responseCode` 99, or none, asks for the same call again. A **casino** gets an access token at `auth/token` and sends
it as a bearer token.
"""

DOCUMENT = Document(
    title="Game aggregator",
    text=_TEXT,
    tags=(provider.TAG, casino.TAG, OPERATIONS),
    schemas=provider.components() | casino.components(),
    security_schemes=provider.SECURITY_SCHEMES | casino.SECURITY_SCHEMES,
)
