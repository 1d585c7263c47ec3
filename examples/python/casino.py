"""A casino's wallet as the aggregator calls it: messages are verified, money moves once, Accepts confirm it.

    python casino.py            serves the wallet; settings are below
    python casino.py vectors    checks verification and Accept with ../vectors.json

Needs PyJWT (requirements.txt). The calls and their error codes: docs/protocol-casino.md.
"""

import json
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
from wallet import Refused, Wallet

API = os.environ.get("AGGREGATOR_URL", "http://127.0.0.1:8080") + "/mis-api/api/v2"
CLIENT_ID, SECRET = int(os.environ.get("PARTNER_CLIENT_ID", "0")), os.environ.get("SECRET", "")
PORT, DATABASE = int(os.environ.get("PORT", "9000")), os.environ.get("DATABASE", "wallet.db")
CONFIRMATION = os.environ.get("CONFIRMATION", "accept")  # as your profile has it: accept, or reply
TOKEN = os.environ.get("TOKEN", "token-of-anna")  # what your page gets when the player logs in


def verify(message: str, path: str, key: jwt.PyJWK, client_id: int, now: float) -> dict:
    """Return the data of a message that the aggregator has signed for this casino and this call, and is valid now.

    Raises PyJWTError. A message that is too late must move no money: the aggregator counts it as lost by then.
    """
    own_check = {"verify_exp": False, "verify_nbf": False, "verify_aud": False}  # of time and audience, below
    claims = jwt.decode(message, key, algorithms=["RS256"], options={"require": ["nbf", "exp"], **own_check})
    me = f"PartnerClient-{client_id}"
    if (claims.get("client_id"), claims.get("aud", me), claims.get("path")) != (me, me, path):
        raise jwt.InvalidTokenError("this message is for another casino, or for another call")
    if not claims["nbf"] <= now < claims["exp"]:
        raise jwt.InvalidTokenError("this message is not valid now")
    return json.loads(claims["data"])


def accept(data: dict, value: dict) -> dict:
    """Return the Accept of a movement: what was asked for, what was answered, and that it was done."""
    return {**data, **value, "ErrorCode": 200, "Message": "Success"}


def post(path: str, body: dict, token: str = "") -> dict:
    """Call the aggregator, and return the envelope. Raises OSError for a status other than 200, or no answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(API + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def send_accepts(wallet: Wallet) -> None:
    """Send the Accept of each movement until it has arrived. What is left to send is in the database."""
    token, expires = "", 0.0
    while True:
        time.sleep(0.05)
        for bet, kind, data, value in wallet.unconfirmed():
            try:
                if time.time() >= expires:
                    got = post("/auth/token", {"PartnerClientId": CLIENT_ID, "Secret": SECRET})["Value"]
                    token, expires = got["AccessToken"], time.time() + got["ExpiresIn"] - 60
                answer = post("/payments/accept", accept(data, value), token)
                print(f"accept {bet}:{kind} {json.dumps(answer)}", flush=True)
                wallet.confirm(bet, kind)  # HTTP 200 is final; another ErrorCode than 200 is for people to look at
            except (OSError, ValueError) as error:  # no answer, or another status: the same Accept again
                print(f"# accept: {error!r}", flush=True)
                expires = 0.0  # it may have been the token
                time.sleep(1)


def serve(wallet: Wallet) -> None:
    """Answer the aggregator's calls over HTTP."""
    keys = jwt.PyJWKClient(f"{API}/auth/jwks", lifespan=60)  # fetched again at once if a kid is unknown

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                message = json.loads(body)
                key = keys.get_signing_key_from_jwt(message)
                data = verify(message, self.path, key, CLIENT_ID, time.time())
                self.envelope(200, 200, "Success", wallet.answer(self.path, data))
            except Refused as refused:
                self.envelope(200, *refused.args)
            except (jwt.PyJWTError, ValueError, KeyError) as error:
                self.envelope(401, 401, repr(error))

        def envelope(self, status: int, code: int, message: str, value: object = None) -> None:
            body = json.dumps({"ErrorCode": code, "Message": message, "Value": value}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    print(f"wallet of PartnerClient-{CLIENT_ID} at http://127.0.0.1:{PORT}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


def check_vectors() -> None:
    """Verify the published messages, and compare an Accept."""
    vectors = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())
    given, sample = vectors["messages"], vectors["accept"]
    keys, client_id = {key["kid"]: jwt.PyJWK(key) for key in given["keys"]}, int(given["clientId"].split("-")[1])

    def holds(message: str, now: int) -> bool:
        try:
            key = keys[jwt.get_unverified_header(message)["kid"]]
            return verify(message, given["path"], key, client_id, now) == given["data"]
        except (jwt.PyJWTError, KeyError):
            return False

    for case in given["cases"]:
        assert holds(case["message"], given["now"]) == case["holds"], case["name"]
        assert not holds(case["message"], given["expired"]), "a late message was taken"
    value = {"PartnerTransactionId": sample["partnerTransactionId"], "Balance": sample["balance"]}
    assert accept(sample["message"], value) == sample["body"], "another Accept"
    print(f"{len(given['cases']) + 1} vectors hold")


if __name__ == "__main__":
    if sys.argv[1:] == ["vectors"]:
        check_vectors()
    else:
        the_wallet = Wallet(DATABASE, TOKEN, CONFIRMATION)
        threading.Thread(target=send_accepts, args=(the_wallet,), daemon=True).start()
        serve(the_wallet)
