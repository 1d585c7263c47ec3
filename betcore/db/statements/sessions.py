"""What keeps a session from being idle: its stakes."""

# For the statement that opens a bet, ``fresh``, of a session, ``known``: notes the use of the session. Written once a
# minute at most, and in the bet's own transaction, that costs no flush. A stake that is refused is no use.
USED = """used AS (
    UPDATE session SET seen_at = now() FROM fresh, known
    WHERE session.session_id = fresh.session_id AND fresh.state = 'accepting'
      AND known.seen_at < now() - interval '1 minute'
)"""
