// The check of a round's proof, in the browser: that the seed is the one whose hash was published before the bets, and
// that the results follow from it. Nothing of it is asked of a server.

const DRAW = /^draw-v1:([1-9][0-9]{0,2})\/([1-9][0-9]{0,5})$/;
const WORDS = 2 ** 32;

/** Return {holds, text}: whether the proof of a round holds (null: its results cannot be checked here), and why. */
export async function check(round) {
  const { Commitment, Seed, Algorithm } = round.Proof;
  if (!Seed) return { holds: null, text: "The seed is published with the results." };
  const seed = bytes(Seed);
  if (hex(await crypto.subtle.digest("SHA-256", seed)) !== Commitment) {
    return { holds: false, text: "The seed does not fit the commitment that was published before the bets." };
  }
  const draw = DRAW.exec(Algorithm ?? "");
  if (draw === null) return { holds: null, text: "The seed fits its commitment. How the results follow is not known here." };
  const drawn = await numbers(seed, round.GameId, Number(draw[1]), Number(draw[2]));
  const shown = round.Results.items.map((one) => one.value);
  if (JSON.stringify(drawn) !== JSON.stringify(shown)) {
    return { holds: false, text: `By ${Algorithm} the seed gives ${drawn.join(", ")}.` };
  }
  return { holds: true, text: "The seed was fixed before the bets, and the results follow from it." };
}

async function numbers(seed, roundId, count, highest) {
  const key = await crypto.subtle.importKey("raw", seed, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const limit = WORDS - (WORDS % highest);
  const drawn = [];
  for (let counter = 0; drawn.length < Math.min(count, highest); counter++) {
    const digest = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`${roundId}:${counter}`));
    const word = new DataView(digest).getUint32(0);
    const number = (word % highest) + 1;
    if (word < limit && !drawn.includes(number)) drawn.push(number);
  }
  return drawn;
}

function bytes(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (one) => one.toString(16).padStart(2, "0")).join("");
}
