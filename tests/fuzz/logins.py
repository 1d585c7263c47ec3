"""What the APIs for casinos have in common: their envelope's codes, log-ins, and bearers that do not hold."""

from random import Random
from typing import Any

from tests.fuzz import odd
from tests.fuzz.cases import Case, Told
from tests.fuzz.forged import broken_token
from tests.fuzz.mutations import bent, members, swept
from tests.fuzz.scene import Scene
from tests.fuzz.strict import NotJson, Number, read_object
from tests.fuzz.wire import Headers, Request

DONE, CONTRADICTION, UNKNOWN = ((200, code, None) for code in (200, 103803, 103804))
MALFORMED = (400, 103801, None)
NOT_AUTHORISED, FORBIDDEN = (401, 401, None), (403, 403, None)
NO_PATH, NO_METHOD = (404, 404, None), (405, 405, None)
# What a casino holds unless its profile says otherwise.
_SCOPES = {"payments", "games", "launch", "feed"}


class LogIns:
    """Makes log-ins at one API. ``grants`` is what its tokens are good for, whatever is asked; None: what is asked."""

    def __init__(self, scene: Scene, path: str, grants: str | None = None) -> None:
        self._scene = scene
        self._path = path
        self._grants = grants

    def case(self, random: Random) -> Case:
        """Return a log-in with something wrong about it, or not."""
        fields = account(self._scene.accepting)
        fields["Secret"] = random.choice((self._scene.accepting, self._scene.other)).casino_secret
        if random.random() < 0.3:
            fields["Scope"] = random.choice(("payments", "feed", "games payments", "", "admin", " ", "Payments", "*"))
        return self._judged(random, bent(random, members(fields)))

    def sweep(self, random: Random) -> list[Case]:
        """Return each field with each of the sharp pieces in it."""
        fields = account(self._scene.accepting) | {"Scope": "feed"}
        return [self._judged(random, body) for body in swept(fields)]

    def _judged(self, random: Random, body: bytes) -> Case:
        return Case(Request("POST", self._path, typed(random), body), self._told(object_in(body)))

    def _told(self, found: dict[str, Any] | None) -> Told:
        client = _integer(found.get("PartnerClientId")) if found else None
        secret, asked = (found.get("Secret"), found.get("Scope")) if found else (None, None)
        if client is None or not isinstance(secret, str) or not isinstance(asked, str | None):
            return MALFORMED
        known = {one.partner_client_id: one.casino_secret for one in (self._scene.accepting, self._scene.other)}
        if known.get(client) != secret:
            return NOT_AUTHORISED
        is_granted = self._grants or not asked or _SCOPES & set(asked.split())
        return DONE if is_granted else FORBIDDEN


def account(partner: Any) -> dict[str, object]:
    """Return what a casino logs in with."""
    return {"PartnerClientId": partner.partner_client_id, "Secret": partner.casino_secret}


def bearer(token: str) -> tuple[str, str]:
    """Return the header that carries an access token."""
    return ("Authorization", f"Bearer {token}")


def wrong_bearer(random: Random, token: str, *others: str) -> Headers:
    """Return headers with an access token that does not hold; the ``others`` hold elsewhere."""
    broken: list[Headers] = [(bearer(broken_token(random, token)),) for _ in range(8)]
    values = (f"Basic {token}", token, "Bearer", "", f"Bearer {token} x", f"Bearer,{token}")
    return random.choice(
        [
            (),
            (bearer(token),) * 2,
            *((("Authorization", value),) for value in values),
            *((bearer(other),) for other in others),
            *broken,
        ]
    )


def typed(random: Random) -> Headers:
    """Casinos' bodies are JSON whatever they are called."""
    kind = "application/json" if random.random() < 0.8 else random.choice(odd.TYPES)
    return (("Content-Type", kind),)


def object_in(body: bytes) -> dict[str, Any] | None:
    """Return the object in a body, None if there is none."""
    try:
        return read_object(body)
    except NotJson:
        return None


def _integer(value: object, low: int = 1, high: int = 2**53 - 1) -> int | None:
    if not isinstance(value, Number) or not value.text.isdigit() or len(value.text) > 16:
        return None
    return int(value.text) if low <= int(value.text) <= high else None
