-- Foreign keys are not checked, and no trigger runs: the rows fit together by themselves.
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
SELECT ('11111111-2222-4333-8444-' || lpad(n::text, 12, '0'))::uuid, 'p' || n, 'http://p',
       jsonb_build_object('freshness_window', CASE WHEN n = 1 THEN 600 ELSE 1800 END, 'settle_within', 86400), ''
FROM generate_series(1, 4) AS n;
INSERT INTO casino (name, api_host, profile, secret) SELECT 'c' || n, 'http://c', '{}', ''
FROM generate_series(1, 6) AS n;
INSERT INTO casino_health (casino_id, open_since, probe_at) SELECT casino_id, now(), now() FROM casino;
INSERT INTO game (provider_id, provider_game_id, name, updated_at)
SELECT 1 + n % 4, 'g' || n, 'g', now() + make_interval(secs => n) FROM generate_series(1, 40) AS n;
-- 20,000 games. Few words make their names, a category and a currency have few games, which are the last ones by name.
INSERT INTO game (provider_id, provider_game_id, name, category, image_url, updated_at)
SELECT 1 + n % 4, 'lobby-' || n,
       CASE WHEN n > 19990 THEN 'Zulu Bingo ' || n
            ELSE (ARRAY['Amber', 'Book of', 'Crash', 'Divine', 'Emerald', 'Fruit', 'Golden', 'Hidden'])[n % 8 + 1] || ' '
                 || (ARRAY['River', 'Dice', 'Pilot', 'Carnival', 'Temple'])[n / 8 % 5 + 1] || ' ' || n END,
       CASE WHEN n > 19990 THEN 'bingo'
            ELSE (ARRAY['slots', 'slots', 'slots', 'roulette', 'casual', 'lottery'])[n % 6 + 1] END,
       'https://pictures.example/' || n || '.png', now() + make_interval(secs => 40 + n)
FROM generate_series(1, 20000) AS n;
INSERT INTO game_limit (game_id, currency, min_bet, max_bet)
SELECT game_id, currency, 1, 500 FROM game, unnest(ARRAY['EUR', 'USD']) AS currency
WHERE provider_game_id LIKE 'lobby-%';
INSERT INTO game_limit (game_id, currency, min_bet)
SELECT game_id, 'JPY', 100 FROM game WHERE category = 'bingo';
INSERT INTO player (casino_id, partner_user_id)
SELECT CASE WHEN n = 7 THEN 6 ELSE 1 + n % 5 END, 'u' || n FROM generate_series(1, 20000) AS n;
INSERT INTO session (session_id, provider_id, player_id, game_id, currency)
SELECT 's' || n, 1 + n % 4, 1 + n % 20000, 1 + (n + 3) % 40, 'EUR' FROM generate_series(1, 20000) AS n;

-- A bet each three seconds, the newest a minute ago. Every hundredth is open, and all of these are of player 1, who has
-- 20,000 bets, as have four others. Of player 6 all is refused since bet 194000. Casino 6 has the bets of player 7 alone.
CREATE TEMPORARY TABLE made AS
SELECT n, n % 100 AS share, now() - make_interval(secs => 3 * (200000 - n) + 60) AS opened_at,
       CASE WHEN n % 2 = 0 THEN 1 + n / 2 % 5 WHEN n > 194000 THEN 6 ELSE 6 + n % 19995 END AS player_id
FROM generate_series(1, 200000) AS n;
CREATE TEMPORARY TABLE bets AS
SELECT n, (floor(extract(epoch FROM opened_at - timestamptz '2026-01-01 00:00:00+00'))::bigint << 20) | n AS bet_id,
       player_id, opened_at, share,
       CASE WHEN share = 0 THEN (ARRAY['accepting', 'settling', 'refunding'])[n / 100 % 20 + 1 - 15]
            WHEN share < 10 OR player_id = 6 THEN 'refused' WHEN share < 13 THEN 'refunded'
            ELSE 'settled' END AS state
FROM made;
UPDATE bets SET state = 'acceptance' WHERE state IS NULL;
INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                 round_id, state, refusal, owner, opened_at, accepted_at, accepted_balance, told_at, withdrawn_at, closed_at,
                 closed_balance, one_step)
SELECT bet_id, 1 + n % 4, 'bet-' || n, CASE WHEN player_id = 7 THEN 6 ELSE 1 + player_id % 5 END,
       player_id, 1 + n % 40, 's' || 1 + n % 20000, 'EUR', 1000,
       CASE WHEN state = 'settled' AND n % 3 > 0 THEN 2500 WHEN state IN ('settled', 'settling') THEN 0 END,
       'round-' || n / 400, state, CASE WHEN state = 'refused' THEN 'no_money' END, 'owner', opened_at,
       CASE WHEN accepted THEN opened_at + interval '1 second' END, CASE WHEN accepted THEN 100000 END,
       CASE WHEN state IN ('settled', 'settling') THEN opened_at END,
       CASE WHEN state IN ('refunding', 'refunded') THEN opened_at END,
       CASE WHEN closed THEN opened_at + make_interval(secs => n % 600) END,
       CASE WHEN closed AND accepted THEN 100000 + n END, n % 3 = 0
FROM bets, LATERAL (SELECT state NOT IN ('accepting', 'refused') AS accepted,
                           state IN ('settled', 'refunded', 'refused') AS closed) AS facts
ORDER BY n;

-- What belongs to them.
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at)
SELECT bet_id, type, 1000, CASE WHEN type = -1 AND state = 'accepting' THEN 'sending'
                                WHEN type <> -1 AND share = 0 THEN 'sending'
                                WHEN state = 'refused' THEN 'refused' ELSE 'done' END, 1, '200', opened_at
FROM bets, LATERAL (VALUES (-1), (CASE WHEN state IN ('settled', 'settling') THEN 1
                                       WHEN state IN ('refunded', 'refunding') THEN 2 END)) AS t (type)
WHERE type IS NOT NULL ORDER BY n, type;
INSERT INTO bet_event (bet_id, at, kind, data)
SELECT bet_id, opened_at, kind, data::jsonb FROM bets, LATERAL (VALUES
    ('told', '{"answer": "pay_in"}'), ('answer', '{"type": 1, "progress": "done"}')) AS e (kind, data) ORDER BY n;
INSERT INTO reversal (bet_id, reversed_player_id, reversed_currency, owner, state, opened_at, closed_at)
SELECT bet_id, player_id, 'EUR', 'owner', CASE WHEN n % 2000 = 50 THEN 'reversing' ELSE 'reversed' END, opened_at,
       CASE WHEN n % 2000 <> 50 THEN opened_at + interval '1 minute' END
FROM bets WHERE state = 'settled' AND n % 10 = 0;
INSERT INTO early_pay_out (provider_id, provider_bet_id) SELECT 1 + n % 4, 'early-' || n
FROM generate_series(1, 20000) AS n;

-- Each provider has a window of its own: ids that one has to keep are older than those that another one forgets.
INSERT INTO request_id (provider_id, request_id, seen_at)
SELECT 1 + n % 4, 'r-' || n,
       now() - make_interval(secs => CASE WHEN n <= 400 THEN 7200 WHEN n % 4 = 0 THEN n % 70 ELSE n % 3000 END)
FROM generate_series(1, 100000) AS n;

-- Ten of each hundred are of casino 2 and wait for a workflow, if they are among the last thousand; the rest are at rest,
-- but for a few that a workflow carries.
INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason, state, owner, opened_at,
                      issued_at, cancel_asked_at, cancel_reason, closed_at)
SELECT (floor(extract(epoch FROM opened_at - timestamptz '2026-01-01 00:00:00+00'))::bigint << 20) | (n + 500000),
       1 + player_id % 5, player_id, 'EUR', 500, 'operator', 'operator:' || n, 'weekly', state,
       CASE WHEN n <= 49000 OR n % 100 > 10 THEN 'owner' END, opened_at,
       CASE WHEN state <> 'issuing' THEN opened_at END,
       CASE WHEN state IN ('cancelling', 'cancelled') THEN opened_at END,
       CASE WHEN state IN ('cancelling', 'cancelled') THEN 'wrong' END,
       CASE WHEN state IN ('issued', 'cancelled') THEN opened_at END
FROM (SELECT n, now() - make_interval(secs => 12 * (50000 - n) + 60) AS opened_at, 1 + n % 20000 AS player_id,
             CASE WHEN n = 49999 THEN 'cancelling' WHEN n > 49000 AND n % 100 <= 10 OR n % 1000 = 999 THEN 'issuing'
                  WHEN n % 50 = 0 THEN 'cancelled' ELSE 'issued' END AS state
      FROM generate_series(1, 50000) AS n) AS made;
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at)
SELECT cashback_id, 1, amount, CASE WHEN state = 'issuing' THEN 'sending' ELSE 'done' END, 1, '200', opened_at
FROM cashback WHERE owner IS NOT NULL;
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, error_code, first_sent_at)
SELECT cashback_id, -2, amount, CASE WHEN state = 'cancelling' THEN 'sending' ELSE 'done' END, 1, '200', opened_at
FROM cashback WHERE state IN ('cancelling', 'cancelled');

-- A rule of casino 2 has run each hour, and has paid two players each time of late.
INSERT INTO cashback_rule_version (casino_id, name, rule, time_zone, created_at)
SELECT casino_id, 'weekly', '{"name": "weekly", "share": "0.1"}', 'UTC', now() FROM casino ORDER BY casino_id;
INSERT INTO cashback_rule_run (casino_id, name, version_id, period_from, period_to, excluded_games, ended_at)
SELECT 2, 'weekly', 2, at - interval '1 hour', at, '{}', CASE WHEN n > 1 THEN at END
FROM generate_series(1, 1000) AS n, LATERAL (SELECT date_trunc('hour', now()) - n * interval '1 hour' AS at) AS w
ORDER BY n;
INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason, rule_version_id,
                      period_from, period_to, state, issued_at, closed_at)
SELECT run_id * 100 + n, 2, 1 + 5 * (n - 1), 'EUR', 500, 'rule', 'rule:' || run_id || ':' || n, 'weekly', version_id,
       period_from, period_to, 'issued', period_to, period_to
FROM cashback_rule_run, generate_series(1, 2) AS n WHERE run_id <= 100;

-- Two live games, one of them with the rounds of a week. One of fifty was cancelled, and the newest one runs.
INSERT INTO live_game (game_type, provider_id, name_key, betting_seconds) VALUES (1, 1, 'draw', 15), (2, 2, 'wheel', 15);
INSERT INTO live_round (game_type, edition, provider_id, round_id, state, play_status, announced_at, started_at,
                        finished_at, results, refunds)
SELECT 1, n, 1, 'round-' || n, state, CASE WHEN state = 'active' THEN 'betting' END, at, at,
       CASE WHEN state <> 'active' THEN at END, CASE WHEN state = 'finished' THEN jsonb_build_array(n % 60) END,
       CASE WHEN n = 19950 THEN 'owed' WHEN state = 'cancelled' THEN 'done' END
FROM (SELECT n, now() - make_interval(secs => 20 * (20000 - n)) AS at,
             CASE WHEN n = 20000 THEN 'active' WHEN n % 50 = 0 THEN 'cancelled' ELSE 'finished' END AS state
      FROM generate_series(1, 20000) AS n) AS made;

-- A run for each casino and half hour, with seven findings.
INSERT INTO reconciliation (casino_id, opened_from, opened_to, workflow_id, bets, compared, ended_at)
SELECT 1 + n % 6, at, at + interval '30 minutes', 'reconcile-scheduled-' || n, 100, 100, at
FROM generate_series(1, 6000) AS n,
     LATERAL (SELECT now() - n / 6 * interval '30 minutes' - interval '1 hour' AS at) AS w;
INSERT INTO finding (reconciliation_id, bet_id, transaction_type, kind, outcome)
SELECT 1 + n % 6000, bet_id, 1, 'amount', CASE WHEN n % 7 > 0 THEN 'incident' END
FROM bets WHERE n <= 40000;

-- Some were filed before their bet had a row; one is alone of its kind.
INSERT INTO incident (bet_id, kind, ours, theirs, at)
SELECT CASE WHEN n % 20 = 13 THEN bet_id END,
       CASE WHEN n = 40013 THEN 'cancelled' WHEN n % 20 = 13 THEN 'parked' ELSE 'different_data' END,
       jsonb_build_object('provider_bet_id', 'bet-' || n, 'counterparty_id', '11111111-2222-4333-8444-000000000001'),
       jsonb_build_object('error_code', n), opened_at
FROM bets WHERE n % 20 IN (13, 17) ORDER BY n;
INSERT INTO incident_count SELECT kind, count(*) FROM incident GROUP BY kind;

-- Bets of long ago, whose events are in files.
INSERT INTO archive (name, sha256, size, bets, events, first_bet_id, last_bet_id, operator, emptied_at)
SELECT 'events-' || n, sha256('file'), 1000, 20000, 40000, 1, 40000, 'ann', now() FROM generate_series(1, 2) AS n;
INSERT INTO archived_bet (bet_id, archive_id, events, told, withdrawn, sha256)
SELECT n, 1 + n / 20001, 2, true, false, sha256('lines') FROM generate_series(1, 40000) AS n;
RESET session_replication_role;
