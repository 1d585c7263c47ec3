/* A game provider's client of the aggregator: signed calls, repeated until their answer is definite.
 *
 *     node provider.mjs            plays three bets; settings are below
 *     node provider.mjs vectors    checks the signature with ../vectors.json
 *
 * Node 20 or later, no packages. The calls and their answers: docs/protocol.md.
 */

import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const {
  AGGREGATOR_URL = "http://127.0.0.1:8080",
  COUNTERPARTY_ID = "",
  SECRET = "",
  SESSION_ID = "",
} = process.env;

const TIMEOUT = 10_000; // milliseconds; the aggregator answers within 4 seconds
const STAKE_WITHIN = 60_000; // then a stake is given up, with a refund; a payout or refund is repeated until answered
const LONGEST_WAIT = 10_000;
const DEFINITE = [1, 2, 3, 4, 5, 6, 7, 8, 104]; // everything else, 99 above all, asks for the same call again

/** No definite answer in time: the call may or may not have been carried out. */
class OutcomeUnknown extends Error {}

/** Return X-Sign: it covers exactly the text that is sent, and no leading dot if there is none. */
function sign(secret, counterpartyId, timestamp, requestId, body) {
  const parts = [...(body ? [body] : []), counterpartyId, timestamp, requestId];
  return createHmac("sha256", secret).update(parts.join("."), "utf8").digest("hex");
}

/** Send one request with a request id of its own; return the milliseconds before a repeat, and the answer. */
async function send(method, path, body) {
  const timestamp = String(Date.now());
  const requestId = randomBytes(16).toString("hex");
  const headers = {
    "X-Counterparty-Id": COUNTERPARTY_ID,
    "X-Timestamp": timestamp,
    "X-Request-Id": requestId,
    "X-Sign": sign(SECRET, COUNTERPARTY_ID, timestamp, requestId, body),
    ...(body && { "Content-Type": "application/json" }),
  };
  const signal = AbortSignal.timeout(TIMEOUT);
  const response = await fetch(AGGREGATOR_URL + path, { method, headers, body: body || undefined, signal });
  return [1000 * Number(response.headers.get("retry-after") ?? 0), await response.json()];
}

/** Return the definite answer to a call. Throws OutcomeUnknown if there was none within these milliseconds.
 *
 * The body is written once: each repeat sends the same bytes, which is what makes it the same call. Request id, time
 * and signature are new each time.
 */
async function call(operation, fields, within = Infinity) {
  const [method, body] = fields ? ["POST", JSON.stringify(fields)] : ["GET", ""];
  const path = `/v1/sessions/${SESSION_ID}/${fields ? "bets/" : ""}${operation}`;
  const until = Date.now() + within;
  for (let wait = 1000; Date.now() < until; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    let atLeast = 0;
    try {
      let answer;
      [atLeast, answer] = await send(method, path, body);
      console.log(operation, JSON.stringify(answer));
      if (DEFINITE.includes(answer._responseCode)) return answer;
    } catch (error) {
      console.log(`# ${operation}: ${error}`); // no answer, or one that cannot be read
    }
    await sleep(Math.max(wait, atLeast));
  }
  throw new OutcomeUnknown(operation);
}

/** Take a stake, and return whether it was taken. One whose outcome stays unknown is given up with a refund. */
async function stake(operation, fields) {
  try {
    return [1, 104].includes((await call(operation, fields, STAKE_WITHIN))._responseCode);
  } catch (error) {
    if (!(error instanceof OutcomeUnknown)) throw error;
    // Store this decision first: from here on you send no PayOut for the bet.
    await call("refund", { betId: fields.betId });
    return false;
  }
}

/** Play a bet of two steps, one of one step, and one whose draw fails. Amounts are texts, never floats. */
async function play() {
  const run = randomBytes(4).toString("hex"); // a bet id is unique in your system, for good
  await call("balance");
  const bet = { betId: `${run}-1`, betAmount: "10.00", gameRoundId: `${run}-r1` };
  if (await stake("pay-in", bet)) {
    await stake("pay-in", bet); // a repeat takes nothing again
    await call("pay-out", { betId: bet.betId, winAmount: "25.00", gameRoundId: bet.gameRoundId }); // a loss sends "0"
  }
  await stake("pay-in-out", { betId: `${run}-2`, betAmount: "1.00", winAmount: "0", gameRoundId: `${run}-r2` });
  if (await stake("pay-in", { betId: `${run}-3`, betAmount: "5.00", gameRoundId: `${run}-r3` })) {
    await call("refund", { betId: `${run}-3` });
  }
  await call("balance");
}

/** Compare `sign` with the published signatures. */
function checkVectors() {
  const given = JSON.parse(readFileSync(new URL("../vectors.json", import.meta.url))).xSign;
  for (const { body, signature } of given.cases) {
    if (sign(given.secret, given.counterpartyId, given.timestamp, given.requestId, body) !== signature) {
      throw new Error(`another signature of ${body}`);
    }
  }
  console.log(`${given.cases.length} vectors hold`);
}

process.argv[2] === "vectors" ? checkVectors() : await play();
