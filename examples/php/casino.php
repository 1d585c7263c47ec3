<?php

/* A casino's wallet as the aggregator calls it: messages are verified, money moves once, Accepts confirm it.
 *
 *     php -S 127.0.0.1:9000 casino.php    serves the wallet; settings are below
 *     php casino.php accepts              beside it: sends the Accepts, until it is stopped
 *     php casino.php vectors              checks verification and Accept with ../vectors.json
 *
 * PHP 8.2 or later with curl, openssl and pdo_sqlite. The calls and their error codes: docs/protocol-casino.md.
 */

declare(strict_types=1);

require __DIR__ . '/messages.php';
require __DIR__ . '/wallet.php';

define('API', (getenv('AGGREGATOR_URL') ?: 'http://127.0.0.1:8080') . '/mis-api/api/v2');
define('CLIENT_ID', (int) getenv('PARTNER_CLIENT_ID'));
define('SECRET', getenv('SECRET') ?: '');
define('DATABASE', getenv('DATABASE') ?: 'wallet.db');
define('CONFIRMATION', getenv('CONFIRMATION') ?: 'accept'); // as your profile has it: accept, or reply
define('TOKEN', getenv('TOKEN') ?: 'token-of-anna'); // what your page gets when the player logs in

/** Return a key of the aggregator. The set is kept for a minute, and fetched at once if the kid is unknown. */
function fetchedKey(string $kid): ?array
{
    $file = DATABASE . '.jwks.json';
    $kept = is_file($file) && filemtime($file) > time() - 60 ? json_decode(file_get_contents($file), true) : [];
    $found = keyOf($kept, $kid);
    if ($found === null) {
        $fetched = request('/auth/jwks');
        file_put_contents($file, json_encode($fetched), LOCK_EX);
        $found = keyOf($fetched, $kid);
    }
    return $found;
}

/** Return the Accept of a movement: what was asked for, what was answered, and that it was done. */
function accept(array $data, array $value): array
{
    return [...$data, ...$value, 'ErrorCode' => 200, 'Message' => 'Success'];
}

/** Call the aggregator, and return the answer. Throws RuntimeException for a status other than 200, or no answer. */
function request(string $path, ?array $body = null, string $token = ''): array
{
    $request = curl_init(API . $path);
    curl_setopt_array($request, [
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', ...($token ? ["Authorization: Bearer $token"] : [])],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 10,
    ] + ($body === null ? [] : [CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR)]));
    $answer = curl_exec($request);
    $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
    if ($status !== 200) {
        throw new RuntimeException("$status " . ($answer ?: curl_error($request)));
    }
    return json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
}

/** Send the Accept of each movement until it has arrived. What is left to send is in the database. */
function sendAccepts(Wallet $wallet): never
{
    for ([$token, $expires] = ['', 0]; ; usleep(50_000)) {
        foreach ($wallet->run('SELECT * FROM movement WHERE NOT confirmed ORDER BY rowid') as $row) {
            try {
                if (time() >= $expires) {
                    $got = request('/auth/token', ['PartnerClientId' => CLIENT_ID, 'Secret' => SECRET])['Value'];
                    [$token, $expires] = [$got['AccessToken'], time() + $got['ExpiresIn'] - 60];
                }
                $accept = accept(json_decode($row['data'], true), json_decode($row['value'], true));
                $answer = request('/payments/accept', $accept, $token);
                echo 'accept ', $accept['TransactionId'], ' ', json_encode($answer), "\n";
                // HTTP 200 is final; another ErrorCode than 200 is for people to look at.
                $made = [$row['bet_id'], $row['type']];
                $wallet->run('UPDATE movement SET confirmed = 1 WHERE bet_id = ? AND type = ?', ...$made);
            } catch (RuntimeException $error) { // no answer, or another status: the same Accept again
                echo "# accept: {$error->getMessage()}\n";
                $expires = 0; // it may have been the token
                sleep(1);
            }
        }
    }
}

/** Answer one call of the aggregator over HTTP. */
function serve(Wallet $wallet): void
{
    $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
    [$status, $code, $message, $value] = [200, 200, 'Success', null];
    try {
        $body = json_decode(file_get_contents('php://input'), true, flags: JSON_THROW_ON_ERROR);
        $value = $wallet->answer($path, verify($body, $path, fetchedKey(...), CLIENT_ID, microtime(true)));
    } catch (Refused $refused) {
        [$code, $message] = [$refused->getCode(), $refused->getMessage()];
    } catch (Throwable $error) {
        [$status, $code, $message] = [401, 401, $error->getMessage()];
    }
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode(['ErrorCode' => $code, 'Message' => $message, 'Value' => $value]);
}

/** Verify the published messages, and compare an Accept. */
function checkVectors(): void
{
    ['messages' => $given, 'accept' => $sample] = json_decode(file_get_contents(__DIR__ . '/../vectors.json'), true);
    $keyOf = fn (string $kid) => keyOf($given, $kid);
    $holds = function (string $message, int $now) use ($given, $keyOf): bool {
        try {
            $clientId = (int) explode('-', $given['clientId'])[1];
            return verify($message, $given['path'], $keyOf, $clientId, $now) == $given['data'];
        } catch (UnexpectedValueException) {
            return false;
        }
    };
    foreach ($given['cases'] as ['name' => $name, 'message' => $message, 'holds' => $expected]) {
        if ($holds($message, $given['now']) !== $expected || $holds($message, $given['expired'])) {
            throw new RuntimeException($name);
        }
    }
    $value = ['PartnerTransactionId' => $sample['partnerTransactionId'], 'Balance' => $sample['balance']];
    if (accept($sample['message'], $value) != $sample['body']) {
        throw new RuntimeException('another Accept');
    }
    echo count($given['cases']) + 1, " vectors hold\n";
}

match (true) {
    PHP_SAPI === 'cli-server' => serve(new Wallet(DATABASE, TOKEN, CONFIRMATION)),
    ($argv[1] ?? '') === 'accepts' => sendAccepts(new Wallet(DATABASE, TOKEN, CONFIRMATION)),
    ($argv[1] ?? '') === 'vectors' => checkVectors(),
    default => exit("php -S 127.0.0.1:9000 casino.php, or: php casino.php accepts|vectors\n"),
};
