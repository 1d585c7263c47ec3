"""Examples of what casinos send and are answered, for the OpenAPI document."""

from api.casino.responses import SUCCESS

ACCESS_TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6InZMNVowIn0.eyJzY29wZSI6InBheW1lbnRzIn0.c2lnbmF0dXJl"  # noqa: S105 (an example)
CLAIMS = {
    "nbf": 1893456000,
    "exp": 1893456010,
    "iss": "betcore",
    "client_id": "PartnerClient-2",
    "path": "/payments/make",
    "jti": "0123456789abcdef0123456789abcdef",
    "data": '{"BetId": 1, "TransactionType": -1}',
    "aud": "PartnerClient-2",
}
ACCEPT = {
    "BetId": 1,
    "TransactionType": -1,
    "TransactionId": "1:-1",
    "PartnerUserId": "p-1",
    "Amount": "10.00",
    "PartnerTransactionId": "T-1",
    "Balance": "990.00",
    "ErrorCode": SUCCESS,
    "Message": "Success",
}
CASHBACK_ACCEPT = {
    "CashbackId": 2,
    "TransactionType": 1,
    "TransactionId": "2:1",
    "PartnerUserId": "p-1",
    "Amount": "5.00",
    "PartnerTransactionId": "T-2",
    "Balance": "995.00",
    "ErrorCode": SUCCESS,
    "Message": "Success",
}
GAME = {
    "GameId": 7,
    "Provider": "acme",
    "Name": "Dice",
    "Category": "arcade",
    "MaxOdd": "100",
    "ImageUrl": "https://games.acme.example/dice.png",
    "Limits": [{"CurrencyCode": "EUR", "MinBet": "0.10", "MaxBet": None}],
    "Currencies": ["EUR"],
    "Demo": True,
    "Enabled": True,
    "UpdatedAt": "2026-11-26T10:30:00.123456Z",
}
LAUNCH = {
    "PartnerUserId": "p-1",
    "CurrencyCode": "EUR",
    "Language": "en",
    "ViewType": "desktop",
    "Mode": "real",
    "ReturnUrl": "https://casino.example/lobby",
}
LAUNCHED = {
    "SessionId": "0123456789abcdef0123456789abcdef",
    "FrameUri": "https://games.acme.example/play?session=0123456789abcdef0123456789abcdef",
    "ExpiresAt": "2026-11-26T22:30:00.123Z",
}
TOKEN = {"AccessToken": ACCESS_TOKEN, "TokenType": "Bearer", "ExpiresIn": 900, "Scope": "payments games"}
KEY = {"kty": "RSA", "n": "yXhdWwIAx3WDWhCy", "e": "AQAB", "alg": "RS256", "kid": "vL5Z0rik", "use": "sig"}
