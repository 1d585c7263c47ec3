"""One provider, casino, game, player and session, as SQL: for tests that open bets in a database of their own."""

COUNTERPARTY = "11111111-2222-4333-8444-555555555555"
PARTNERS = """
WITH p AS (INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
           VALUES ('11111111-2222-4333-8444-555555555555', 'p', 'http://p', '{}', '') RETURNING provider_id),
     c AS (INSERT INTO casino (name, api_host, profile, secret)
           VALUES ('c', 'http://c', '{}', '') RETURNING casino_id),
     g AS (INSERT INTO game (provider_id, provider_game_id, name) SELECT provider_id, 'g', 'g' FROM p RETURNING 1)
INSERT INTO player (casino_id, partner_user_id) SELECT casino_id, 'anna' FROM c
"""
SESSION = "INSERT INTO session (session_id, provider_id, player_id, game_id, currency) VALUES ('s', 1, 1, 1, 'EUR')"
