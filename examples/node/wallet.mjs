/* The wallet behind casino.mjs: players, tokens and movements in memory, rebuilt from a journal at the start. */

import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";

// One player with 1,000.00 EUR.
const [PLAYER, CURRENCY, CENTS] = ["anna", "EUR", 100_000];
const [STAKE, PAYOUT, RETURN, PAYOUT_RETURN] = [-1, 1, 2, -2];
const NEEDS = { [PAYOUT]: STAKE, [RETURN]: STAKE, [PAYOUT_RETURN]: PAYOUT };

/** A business answer other than success. No money has moved. */
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Players and movements. Node runs one call at a time here: with a database, each call is one transaction. */
export class Wallet {
  players = new Map([[PLAYER, CENTS]]);
  tokens = new Map(); // token -> {player, following}
  closed = new Set(); // BetId
  movements = new Map(); // TransactionId -> {data, value, at, confirmed}

  constructor(journal, token, confirmation) {
    this.journal = journal;
    this.repliesAreFinal = confirmation === "reply";
    this.tokens.set(token, { player: PLAYER, following: randomUUID() });
    const lines = existsSync(journal) ? readFileSync(journal, "utf8").split("\n").filter(Boolean) : [];
    for (const line of lines) this.apply(JSON.parse(line));
  }

  /** Return the Value for a call. Throws Refused. */
  answer(path, data) {
    switch (path) {
      case "/users/auth":
        return this.auth(data);
      case "/users/data":
        return { Balance: major(this.centsOf(data.PartnerUserId)) };
      case "/payments/make":
        return this.make(data);
      case "/payments/info":
        return this.info(data);
      case "/payments/close":
        return this.keep({ closed: data });
      default:
        throw new Refused(404, "no such call");
    }
  }

  /** Exchange a token for its successor; the same one again, because our first answer may have been lost. */
  auth({ RefreshToken }) {
    const found = this.tokens.get(RefreshToken);
    if (!found) throw new Refused(103807, "token not valid");
    const { player, following } = found;
    if (!this.tokens.has(following)) this.tokens.set(following, { player, following: randomUUID() });
    return { RefreshToken: following, PartnerUserId: player, CurrencyCode: CURRENCY };
  }

  centsOf(player) {
    const found = this.players.get(player);
    if (found === undefined) throw new Refused(102145, "user not found");
    return found;
  }

  /** Make a movement once. A repeat has the same values, and gets the same answer. */
  make(data) {
    const { BetId: bet, TransactionType: kind, PartnerUserId: player } = data;
    const kept = this.movements.get(`${bet}:${kind}`);
    if (kept) {
      const same = [player, data.Amount].join() === [kept.data.PartnerUserId, kept.data.Amount].join();
      if (!same) throw new Refused(103803, "this movement was made with other values");
      return kept.value;
    }
    const balance = this.centsOf(player) + Math.sign(kind) * cents(data.Amount);
    if (kind in NEEDS && !this.movements.has(`${bet}:${NEEDS[kind]}`)) throw new Refused(103804, "bet not found");
    if (this.closed.has(bet)) throw new Refused(102823, "the bet is closed");
    if (kind < 0 && balance < 0) throw new Refused(103802, "not enough money");
    const value = { PartnerTransactionId: `T-${data.TransactionId}`, Balance: major(balance) };
    this.keep({ made: { data, value, at: new Date().toISOString(), confirmed: this.repliesAreFinal } });
    return value;
  }

  /** Return all movements of a bet: by this list the aggregator finds out what became of a lost answer. */
  info({ BetId }) {
    const made = [...this.movements.values()].filter(({ data }) => data.BetId === BetId);
    return made.map(({ data, value, at }) => ({ ...data, ...value, Timestamp: at }));
  }

  /** Return data and value of the movements whose Accept has not arrived, oldest first. */
  unconfirmed() {
    return [...this.movements.values()].filter(({ confirmed }) => !confirmed);
  }

  /** Note that the Accept of a movement has arrived. */
  confirm({ BetId, TransactionType }) {
    this.keep({ confirmed: `${BetId}:${TransactionType}` });
  }

  /** Write a change into the journal, then carry it out: what was answered survives a restart. */
  keep(change) {
    appendFileSync(this.journal, `${JSON.stringify(change)}\n`, { flush: true });
    this.apply(change);
    return null;
  }

  apply({ made, closed, confirmed }) {
    if (made) {
      const { BetId, TransactionType, PartnerUserId, Amount } = made.data;
      this.movements.set(`${BetId}:${TransactionType}`, made);
      this.players.set(PartnerUserId, this.centsOf(PartnerUserId) + Math.sign(TransactionType) * cents(Amount));
    }
    if (closed) closed.Closed ? this.closed.add(closed.BetId) : this.closed.delete(closed.BetId);
    if (confirmed) this.movements.get(confirmed).confirmed = true;
  }
}

/** Return the decimal text of the wire as cents. Other currencies have other decimals: JPY none. */
function cents(amount) {
  const [whole, fraction = ""] = amount.split(".");
  return Number(whole) * 100 + Number(fraction.padEnd(2, "0"));
}

/** Return cents as the decimal text of the wire. */
function major(amount) {
  return `${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, "0")}`;
}
