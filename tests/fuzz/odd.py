"""What may stand around a body: media types, headers, sessions, paths and methods. ``{s}`` is a session."""

TYPES = [
    *("", " ", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json5", "json"),
    *("application", "multipart/form-data; boundary=x", "application/xml", "application/json, text/plain"),
    *("\xe4/json", "a" * 8000, "application/json;", "application/json; charset=utf-16", "APPLICATION/JSON"),
    *("application/json; charset=latin-1", "application/json ;x", "application/problem+json"),
]
HEADERS = [
    *(("Content-Encoding", "gzip"), ("X-Forwarded-For", "127.0.0.1"), ("X-HTTP-Method-Override", "PUT")),
    *(("Range", "bytes=0-1"), ("Cookie", "a" * 4000), ("Accept", "text/html"), ("Accept-Charset", "utf-16")),
    *(
        ("If-Match", "*"),
        ("X-Empty", ""),
        ("X-Latin", "\xe4\xff\xa0"),
        ("Authorization", "Bearer x"),
        ("Te", "trailers"),
    ),
    *(("Upgrade-Insecure-Requests", "1"), ("Date", "Thu, 01 Jan 0000 00:00:00 GMT"), ("Forwarded", 'for="[::]"')),
    ("Traceparent", "00-" + "f" * 900),
]
SESSIONS = [
    *(
        "%20",
        "%00",
        "a%0A",
        "%C3%A4",
        "%FF",
        "a" * 129,
        "a" * 6000,
        "..%2e",
        "{session_id}",
        "%25%32%30",
        "*",
        "a,b",
        "$x",
    ),
]
PATHS = [
    *("/v1", "/v1/", "/v1/sessions", "/v1/sessions//balance", "/v1/sessions/{s}/bets/pay-in/", "/v1/../v1/x"),
    *(
        "/v1/sessions/{s}/bets/pay_in",
        "/v1/sessions/{s}/bets",
        "/v1/sessions/{s}%2Fbets%2Fpay-out",
        "/v1/" + "a/" * 400,
    ),
    *("/v1//sessions/{s}/bets/refund", "/v1/sessions/{s}/bets/PAY-OUT", "/v1/sessions/{s}/bets/refund%00"),
    *("/v1/sessions/{s}/bets/../balance", "/v1/x?y=/balance", "/v1/sessions/{s}/bets/pay-in;x=1"),
    *("/v1/sessions/{s}/bets/refund%0A", "/v1/sessions/{s}/balance%0A", "/v1/sessions/{s}/bets/pay-out%0D%0A"),
]
# Below the prefix of casinos.
CASINO_PATHS = [
    *("/", "/payments", "/payments/accept/", "/payments/Accept", "/payments//accept", "/cashback-payments"),
    *("/auth/token%00", "/payments/accept%0A", "/auth/token%0A", "/auth/token/x", "/auth", "/auth/../payments/accept"),
    *("/games/list", "/" + "a/" * 300),
]
METHODS = ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
