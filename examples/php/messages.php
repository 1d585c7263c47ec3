<?php

/* The aggregator's messages, as casino.php verifies them: their signature, and what they are for. */

declare(strict_types=1);

/** Return the data of a message that the aggregator has signed for this casino and this call, and is valid now.
 *
 * `$keyOf` finds a JWK by its kid. A message that is too late must move no money: the aggregator counts it as lost.
 */
function verify(string $message, string $path, callable $keyOf, int $clientId, float $now): array
{
    [$head, $body, $signature] = explode('.', $message);
    ['alg' => $alg, 'kid' => $kid] = json_decode(decode($head), true);
    $jwk = $alg === 'RS256' ? $keyOf($kid) : null;
    if ($jwk === null || openssl_verify("$head.$body", decode($signature), pem($jwk), OPENSSL_ALGO_SHA256) !== 1) {
        throw new UnexpectedValueException('the signature does not hold');
    }
    $claims = json_decode(decode($body), true);
    $me = "PartnerClient-$clientId";
    if ([$claims['client_id'], $claims['aud'] ?? $me, $claims['path']] !== [$me, $me, $path]) {
        throw new UnexpectedValueException('this message is for another casino, or for another call');
    }
    if ($now < $claims['nbf'] || $now >= $claims['exp']) {
        throw new UnexpectedValueException('this message is not valid now');
    }
    return json_decode($claims['data'], true, flags: JSON_THROW_ON_ERROR);
}

/** Return the bytes of base64url. */
function decode(string $text): string
{
    return base64_decode(strtr($text, '-_', '+/'));
}

/** Return an RSA key of a JWKS as PEM: the ASN.1 structure that openssl reads. */
function pem(array $jwk): string
{
    $wrap = fn (string $tag, string $content) => $tag . match (true) {
        strlen($content) < 128 => chr(strlen($content)),
        default => "\x82" . pack('n', strlen($content)),
    } . $content;
    $integer = fn (string $bytes) => $wrap("\x02", (ord($bytes) > 127 ? "\0" : '') . $bytes);
    $key = $wrap("\x30", $integer(decode($jwk['n'])) . $integer(decode($jwk['e'])));
    $rsaEncryption = hex2bin('300d06092a864886f70d0101010500');
    $der = $wrap("\x30", $rsaEncryption . $wrap("\x03", "\0$key"));
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64) . "-----END PUBLIC KEY-----\n";
}

/** Return the key of a set that has this kid. */
function keyOf(array $set, string $kid): ?array
{
    return array_column($set['keys'] ?? [], null, 'kid')[$kid] ?? null;
}
