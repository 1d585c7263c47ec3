<?php

/* A game provider's client of the aggregator: signed calls, repeated until their answer is definite.
 *
 *     php provider.php            plays three bets; settings are below
 *     php provider.php vectors    checks the signature with ../vectors.json
 *
 * PHP 8.2 or later with curl. The calls and their answers: docs/protocol.md.
 */

declare(strict_types=1);

define('AGGREGATOR_URL', getenv('AGGREGATOR_URL') ?: 'http://127.0.0.1:8080');
define('COUNTERPARTY_ID', getenv('COUNTERPARTY_ID') ?: '');
define('SECRET', getenv('SECRET') ?: '');
define('SESSION_ID', getenv('SESSION_ID') ?: '');

const TIMEOUT = 10; // the aggregator answers within 4 seconds
const STAKE_WITHIN = 60; // then a stake is given up, with a refund; a payout or refund is repeated until it is answered
const LONGEST_WAIT = 10;
const DEFINITE = [1, 2, 3, 4, 5, 6, 7, 8, 104]; // everything else, 99 above all, asks for the same call again

/** No definite answer in time: the call may or may not have been carried out. */
class OutcomeUnknown extends Exception
{
}

/** Return X-Sign: it covers exactly the bytes that are sent, and no leading dot if there are none. */
function sign(string $secret, string $counterpartyId, string $timestamp, string $requestId, string $body): string
{
    $parts = [...($body === '' ? [] : [$body]), $counterpartyId, $timestamp, $requestId];
    return hash_hmac('sha256', implode('.', $parts), $secret);
}

/** Send one request with a request id of its own; return the seconds to wait before a repeat, and the answer. */
function send(string $method, string $path, string $body): array
{
    $timestamp = (string) (int) (microtime(true) * 1000);
    $requestId = bin2hex(random_bytes(16));
    $request = curl_init(AGGREGATOR_URL . $path);
    curl_setopt_array($request, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_HTTPHEADER => [
            'X-Counterparty-Id: ' . COUNTERPARTY_ID,
            "X-Timestamp: $timestamp",
            "X-Request-Id: $requestId",
            'X-Sign: ' . sign(SECRET, COUNTERPARTY_ID, $timestamp, $requestId, $body),
            ...($body === '' ? [] : ['Content-Type: application/json']),
        ],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => TIMEOUT,
    ] + ($body === '' ? [] : [CURLOPT_POSTFIELDS => $body]));
    $text = curl_exec($request);
    if ($text === false) {
        throw new RuntimeException(curl_error($request));
    }
    $wait = curl_getinfo($request, CURLINFO_RETRY_AFTER);
    return [$wait, json_decode($text, true, flags: JSON_THROW_ON_ERROR)];
}

/** Return the definite answer to a call. Throws OutcomeUnknown if there was none within these seconds.
 *
 * The body is written once: each repeat sends the same bytes, which is what makes it the same call. Request id, time
 * and signature are new each time.
 */
function call(string $operation, ?array $fields = null, float $within = INF): array
{
    [$method, $body] = $fields === null ? ['GET', ''] : ['POST', json_encode($fields, JSON_THROW_ON_ERROR)];
    $path = '/v1/sessions/' . SESSION_ID . '/' . ($fields === null ? '' : 'bets/') . $operation;
    $until = microtime(true) + $within;
    for ($wait = 1; microtime(true) < $until; $wait = min(2 * $wait, LONGEST_WAIT)) {
        $atLeast = 0;
        try {
            [$atLeast, $answer] = send($method, $path, $body);
            echo $operation, ' ', json_encode($answer), "\n";
            if (in_array($answer['_responseCode'] ?? null, DEFINITE, true)) {
                return $answer;
            }
        } catch (RuntimeException | JsonException $error) { // no answer, or one that cannot be read
            echo "# $operation: {$error->getMessage()}\n";
        }
        sleep(max($wait, $atLeast));
    }
    throw new OutcomeUnknown($operation);
}

/** Take a stake, and return whether it was taken. One whose outcome stays unknown is given up with a refund. */
function stake(string $operation, array $fields): bool
{
    try {
        return in_array(call($operation, $fields, STAKE_WITHIN)['_responseCode'], [1, 104], true);
    } catch (OutcomeUnknown) {
        // Store this decision first: from here on you send no PayOut for the bet.
        call('refund', ['betId' => $fields['betId']]);
        return false;
    }
}

/** Play a bet of two steps, one of one step, and one whose draw fails. Amounts are texts, never floats. */
function play(): void
{
    $run = bin2hex(random_bytes(4)); // a bet id is unique in your system, for good
    call('balance');
    $bet = ['betId' => "$run-1", 'betAmount' => '10.00', 'gameRoundId' => "$run-r1"];
    if (stake('pay-in', $bet)) {
        stake('pay-in', $bet); // a repeat takes nothing again
        call('pay-out', ['betId' => "$run-1", 'winAmount' => '25.00', 'gameRoundId' => "$run-r1"]); // a loss sends "0"
    }
    stake('pay-in-out', ['betId' => "$run-2", 'betAmount' => '1.00', 'winAmount' => '0', 'gameRoundId' => "$run-r2"]);
    if (stake('pay-in', ['betId' => "$run-3", 'betAmount' => '5.00', 'gameRoundId' => "$run-r3"])) {
        call('refund', ['betId' => "$run-3"]);
    }
    call('balance');
}

/** Compare `sign` with the published signatures. */
function checkVectors(): void
{
    $given = json_decode(file_get_contents(__DIR__ . '/../vectors.json'), true)['xSign'];
    foreach ($given['cases'] as ['body' => $body, 'signature' => $signature]) {
        $made = sign($given['secret'], $given['counterpartyId'], $given['timestamp'], $given['requestId'], $body);
        if (!hash_equals($signature, $made)) {
            throw new RuntimeException("another signature of $body");
        }
    }
    echo count($given['cases']), " vectors hold\n";
}

($argv[1] ?? '') === 'vectors' ? checkVectors() : play();
