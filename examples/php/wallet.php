<?php

/* The wallet behind casino.php: players, tokens and movements in a database. */

declare(strict_types=1);

/** A business answer other than success: its code is the ErrorCode. No money has moved. */
class Refused extends Exception
{
    public function __construct(int $code, string $message)
    {
        parent::__construct($message, $code);
    }
}

/** Players and movements in a database. Each call is one transaction: all of it is kept, or nothing. */
class Wallet
{
    // One player with 1,000.00 EUR.
    private const PLAYER = 'anna';
    private const CURRENCY = 'EUR';
    private const CENTS = 100_000;
    // A payout (1) and the return of a stake (2) need the stake (-1), the return of a payout (-2) needs the payout.
    private const NEEDS = [1 => -1, 2 => -1, -2 => 1];

    public readonly PDO $db;

    public function __construct(string $database, string $token, private readonly string $confirmation)
    {
        $this->db = new PDO("sqlite:$database", options: [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC]);
        $this->db->exec('
            CREATE TABLE IF NOT EXISTS player (id TEXT PRIMARY KEY, cents INTEGER);
            CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, player TEXT, following TEXT);
            CREATE TABLE IF NOT EXISTS closed (bet_id INTEGER PRIMARY KEY);
            CREATE TABLE IF NOT EXISTS movement (bet_id INTEGER, type INTEGER, data TEXT, value TEXT,
                at TEXT DEFAULT CURRENT_TIMESTAMP, confirmed INTEGER, PRIMARY KEY (bet_id, type));');
        $this->run('INSERT OR IGNORE INTO player VALUES (?, ?)', self::PLAYER, self::CENTS);
        $this->run('INSERT OR IGNORE INTO token VALUES (?, ?, ?)', $token, self::PLAYER, bin2hex(random_bytes(16)));
    }

    /** Return the Value for a call. Throws Refused. */
    public function answer(string $path, array $data): ?array
    {
        $this->db->exec('BEGIN IMMEDIATE'); // SQLite has one writer; other databases lock the player's row
        try {
            $value = match ($path) {
                '/users/auth' => $this->auth($data),
                '/users/data' => ['Balance' => major($this->centsOf($data['PartnerUserId']))],
                '/payments/make' => $this->make($data),
                '/payments/info' => $this->info($data),
                '/payments/close' => $this->close($data),
                default => throw new Refused(404, 'no such call'),
            };
            $this->db->exec('COMMIT');
            return $value;
        } catch (Throwable $error) {
            $this->db->exec('ROLLBACK');
            throw $error;
        }
    }

    /** Return the rows of a statement. */
    public function run(string $query, int|string ...$given): array
    {
        $statement = $this->db->prepare($query);
        $statement->execute($given);
        return $statement->fetchAll();
    }

    /** Exchange a token for its successor; the same one again, because our first answer may have been lost. */
    private function auth(array $data): array
    {
        $found = $this->run('SELECT player, following FROM token WHERE token = ?', $data['RefreshToken'])[0] ?? null;
        ['player' => $player, 'following' => $following] = $found ?? throw new Refused(103807, 'token not valid');
        $next = bin2hex(random_bytes(16));
        $this->run('INSERT OR IGNORE INTO token VALUES (?, ?, ?)', $following, $player, $next);
        return ['RefreshToken' => $following, 'PartnerUserId' => $player, 'CurrencyCode' => self::CURRENCY];
    }

    private function centsOf(string $player): int
    {
        $found = $this->run('SELECT cents FROM player WHERE id = ?', $player)[0] ?? null;
        return $found['cents'] ?? throw new Refused(102145, 'user not found');
    }

    /** Make a movement once. A repeat has the same values, and gets the same answer. */
    private function make(array $data): array
    {
        ['BetId' => $bet, 'TransactionType' => $kind, 'PartnerUserId' => $player] = $data;
        $kept = $this->run('SELECT data, value FROM movement WHERE bet_id = ? AND type = ?', $bet, $kind)[0] ?? null;
        if ($kept !== null) {
            if (json_decode($kept['data'], true) != $data) {
                throw new Refused(103803, 'this movement was made with other values');
            }
            return json_decode($kept['value'], true);
        }
        $balance = $this->centsOf($player) + ($kind > 0 ? 1 : -1) * cents($data['Amount']);
        $needs = self::NEEDS[$kind] ?? 0;
        if ($needs && !$this->run('SELECT 1 FROM movement WHERE bet_id = ? AND type = ?', $bet, $needs)) {
            throw new Refused(103804, 'bet not found');
        }
        if ($this->run('SELECT 1 FROM closed WHERE bet_id = ?', $bet)) {
            throw new Refused(102823, 'the bet is closed');
        }
        if ($kind < 0 && $balance < 0) {
            throw new Refused(103802, 'not enough money');
        }
        $value = ['PartnerTransactionId' => "T-{$data['TransactionId']}", 'Balance' => major($balance)];
        $row = [$bet, $kind, json_encode($data), json_encode($value), (int) ($this->confirmation === 'reply')];
        $this->run('INSERT INTO movement (bet_id, type, data, value, confirmed) VALUES (?, ?, ?, ?, ?)', ...$row);
        $this->run('UPDATE player SET cents = ? WHERE id = ?', $balance, $player);
        return $value;
    }

    /** Return all movements of a bet: by this list the aggregator finds out what became of a lost answer. */
    private function info(array $data): array
    {
        return array_map(
            fn (array $row) => [
                ...json_decode($row['data'], true), ...json_decode($row['value'], true), 'Timestamp' => $row['at'],
            ],
            $this->run('SELECT data, value, at FROM movement WHERE bet_id = ?', $data['BetId']),
        );
    }

    /** Close a bet, or open it again. */
    private function close(array $data): null
    {
        [$opened, $closed] = ['DELETE FROM closed WHERE bet_id = ?', 'INSERT OR IGNORE INTO closed VALUES (?)'];
        $this->run($data['Closed'] ? $closed : $opened, $data['BetId']);
        return null;
    }
}

/** Return the decimal text of the wire as cents. Other currencies have other decimals: JPY none. */
function cents(string $amount): int
{
    [$whole, $fraction] = [...explode('.', $amount), ''];
    return (int) $whole * 100 + (int) str_pad($fraction, 2, '0');
}

/** Return cents as the decimal text of the wire. */
function major(int $amount): string
{
    return sprintf('%d.%02d', intdiv($amount, 100), $amount % 100);
}
