// What the page shows of a game: its state, the countdown, results, and the check of a round's proof.

import { check } from "./proof.js";

const STATES = { 1: "The next round is about to begin", 3: "Finished", 4: "Under review", 5: "Cancelled" };
const PLAY = { 1: "Place your bets", 2: "No more bets" };

export class GameView {
  constructor(game, into) {
    this.seconds = game.BettingSeconds;
    const fragment = document.getElementById("game").content.cloneNode(true);
    this.card = fragment.querySelector(".game");
    this.card.dataset.gameType = game.GameType;
    this.part("h2").textContent = game.Name;
    this.closes = null;
    this.rows = new Map();
    into.append(fragment);
  }

  part(selector) {
    return this.card.querySelector(selector);
  }

  frame({ im, bt, wgi, tst }) {
    const [round] = wgi;
    delete this.card.dataset.stale;
    // The clock of this computer may be wrong: the countdown runs by the difference to the service's.
    this.ahead = Date.now() - tst;
    const text = !round ? "No round yet" : round.s === 2 ? PLAY[round.ps] : STATES[round.s];
    this.part(".state").textContent = im ? "In maintenance" : text;
    this.part(".edition").textContent = round ? `Round ${round.ge}` : "";
    this.part(".round").textContent = round ? round.i : "";
    this.closes = round?.ps === 1 && bt ? bt * 1000 : null;
    this.tick();
    const finished = round?.lrId ?? null;
    const isNew = finished !== this.finished;
    this.finished = finished;
    return isNew;
  }

  tick() {
    const left = this.closes === null ? 0 : Math.max(0, this.closes - (Date.now() - this.ahead)) / 1000;
    for (const selector of [".countdown", "progress"]) this.part(selector).hidden = this.closes === null;
    this.part(".countdown").textContent = `${Math.ceil(left)} s`;
    this.part("progress").value = Math.min(1, left / this.seconds);
  }

  stale() {
    this.card.dataset.stale = "";
  }

  history(rounds) {
    this.part(".last").replaceChildren(...(rounds.length ? balls(rounds[0]) : [text("p", "None yet")]));
    // A round that is shown stays as it is, with its verdict.
    const row = (round) => this.rows.get(round.GameId) ?? line(round);
    this.rows = new Map(rounds.map((round) => [round.GameId, row(round)]));
    this.part(".history").replaceChildren(...this.rows.values());
  }
}

export function jackpot({ Name, Amount, CurrencyCode }) {
  const card = text("div", Name, "jackpot");
  card.append(text("b", `${Amount} ${CurrencyCode}`));
  return card;
}

function line(round) {
  const row = document.createElement("li");
  const shown = text("div", "", "balls");
  shown.append(text("span", `${round.GameEdition}`, "edition"), ...balls(round));
  row.append(shown);
  if (round.Proof) {
    const button = text("button", "Check");
    button.type = "button";
    button.setAttribute("aria-label", `Check round ${round.GameEdition}`);
    const verdict = text("p", "", "verdict");
    verdict.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      const found = await check(round);
      verdict.dataset.holds = found.holds;
      verdict.textContent = found.text;
    });
    row.append(button, verdict);
  }
  return row;
}

function balls(round) {
  return (round.Results?.items ?? []).map(({ value }) => text("span", value, "ball"));
}

function text(name, content, kind = "") {
  const made = document.createElement(name);
  made.textContent = content;
  made.className = kind;
  return made;
}
