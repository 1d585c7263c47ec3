/* A casino's wallet as the aggregator calls it: messages are verified, money moves once, Accepts confirm it.
 *
 *     node casino.mjs            serves the wallet; settings are below
 *     node casino.mjs vectors    checks verification and Accept with ../vectors.json
 *
 * Node 20 or later, no packages. The calls and their error codes: docs/protocol-casino.md.
 */

import assert from "node:assert/strict";
import { createPublicKey, verify as verifySignature } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Refused, Wallet } from "./wallet.mjs";

const {
  AGGREGATOR_URL = "http://127.0.0.1:8080",
  PARTNER_CLIENT_ID = "0",
  SECRET = "",
  PORT = "9000",
  DATABASE = "wallet.jsonl",
  CONFIRMATION = "accept", // as your profile has it: accept, or reply
  TOKEN = "token-of-anna", // what your page gets when the player logs in
} = process.env;
const API = `${AGGREGATOR_URL}/mis-api/api/v2`;
const CLIENT_ID = Number(PARTNER_CLIENT_ID);

const part = (text) => JSON.parse(Buffer.from(text, "base64url").toString("utf8"));

/** Return the data of a message that the aggregator has signed for this casino and this call, and is valid now.
 *
 * `keyOf` finds a JWK by its kid. A message that is too late must move no money: the aggregator counts it as lost.
 */
async function verify(message, path, keyOf, clientId, now) {
  const [head, body, signature] = message.split(".");
  const { alg, kid } = part(head);
  if (alg !== "RS256") throw new Error("another algorithm");
  const jwk = await keyOf(kid);
  if (!jwk) throw new Error("a key that is not in the set");
  const key = createPublicKey({ key: jwk, format: "jwk" });
  if (!verifySignature("RSA-SHA256", `${head}.${body}`, key, Buffer.from(signature, "base64url"))) {
    throw new Error("the signature does not hold");
  }
  const claims = part(body);
  const me = `PartnerClient-${clientId}`;
  if (claims.client_id !== me || (claims.aud ?? me) !== me || claims.path !== path) {
    throw new Error("this message is for another casino, or for another call");
  }
  if (!(claims.nbf <= now && now < claims.exp)) throw new Error("this message is not valid now");
  return JSON.parse(claims.data);
}

let keys = { at: 0, set: [] };

/** Return a key of the aggregator. The set is kept for a minute, and fetched at once if the kid is unknown. */
async function fetchedKey(kid) {
  const kept = () => keys.set.find((key) => key.kid === kid);
  if (Date.now() > keys.at + 60_000 || !kept()) {
    const response = await fetch(`${API}/auth/jwks`, { signal: AbortSignal.timeout(5000) });
    keys = { at: Date.now(), set: (await response.json()).keys };
  }
  return kept();
}

/** Return the Accept of a movement: what was asked for, what was answered, and that it was done. */
function accept(data, value) {
  return { ...data, ...value, ErrorCode: 200, Message: "Success" };
}

/** Call the aggregator, and return the envelope. Throws for a status other than 200, or no answer. */
async function post(path, body, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const sent = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) };
  const response = await fetch(API + path, sent);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

/** Send the Accept of each movement until it has arrived. What is left to send is in the journal. */
async function sendAccepts(wallet) {
  for (let token, expires = 0; ; await sleep(50)) {
    for (const { data, value } of wallet.unconfirmed()) {
      try {
        if (Date.now() >= expires) {
          const got = (await post("/auth/token", { PartnerClientId: CLIENT_ID, Secret: SECRET })).Value;
          [token, expires] = [got.AccessToken, Date.now() + (got.ExpiresIn - 60) * 1000];
        }
        const answer = await post("/payments/accept", accept(data, value), token);
        console.log(`accept ${data.TransactionId} ${JSON.stringify(answer)}`);
        wallet.confirm(data); // HTTP 200 is final; another ErrorCode than 200 is for people to look at
      } catch (error) {
        console.log(`# accept: ${error}`); // no answer, or another status: the same Accept again
        expires = 0; // it may have been the token
        await sleep(1000);
      }
    }
  }
}

/** Answer the aggregator's calls over HTTP. */
function serve(wallet) {
  const server = createServer(async (request, response) => {
    const envelope = (status, ErrorCode, Message, Value = null) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ ErrorCode, Message, Value }));
    };
    try {
      const message = JSON.parse(Buffer.concat(await request.toArray()).toString("utf8"));
      const data = await verify(message, request.url, fetchedKey, CLIENT_ID, Date.now() / 1000);
      envelope(200, 200, "Success", wallet.answer(request.url, data));
    } catch (error) {
      error instanceof Refused ? envelope(200, error.code, error.message) : envelope(401, 401, String(error));
    }
  });
  server.listen(Number(PORT), "127.0.0.1", () => {
    console.log(`wallet of PartnerClient-${CLIENT_ID} at http://127.0.0.1:${PORT}`);
  });
}

/** Verify the published messages, and compare an Accept. */
async function checkVectors() {
  const { messages: given, accept: sample } = JSON.parse(readFileSync(new URL("../vectors.json", import.meta.url)));
  const keyOf = (kid) => given.keys.find((key) => key.kid === kid);
  const clientId = given.clientId.split("-")[1];
  for (const { name, message, holds } of given.cases) {
    const data = await verify(message, given.path, keyOf, clientId, given.now).catch(() => null);
    assert.deepEqual(data, holds ? given.data : null, name);
    await assert.rejects(verify(message, given.path, keyOf, clientId, given.expired), `${name}, late`);
  }
  const value = { PartnerTransactionId: sample.partnerTransactionId, Balance: sample.balance };
  assert.deepEqual(accept(sample.message, value), sample.body, "another Accept");
  console.log(`${given.cases.length + 1} vectors hold`);
}

if (process.argv[2] === "vectors") {
  await checkVectors();
} else {
  const wallet = new Wallet(DATABASE, TOKEN, CONFIRMATION);
  serve(wallet);
  await sendAccepts(wallet);
}
