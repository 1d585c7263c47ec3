"""The limits that hold for a stake of a session: of its game's, its casino's and its own the strictest."""

# For a statement that names the session ``s`` and its player ``player``: joins ``min_bet`` and ``max_bet``, in major
# units of the session's currency. PostgreSQL's greatest and least pass over NULL, which is no limit.
STRICTEST_LIMITS = """LEFT JOIN LATERAL (
    SELECT greatest(game_limit.min_bet, casino_limit.min_bet, s.min_bet) AS min_bet,
           least(game_limit.max_bet, casino_limit.max_bet, s.max_bet) AS max_bet
    FROM (VALUES (1)) AS one
    LEFT JOIN game_limit ON game_limit.game_id = s.game_id AND game_limit.currency = s.currency
    LEFT JOIN casino_limit ON casino_limit.casino_id = player.casino_id AND casino_limit.currency = s.currency
) AS strictest ON true"""
