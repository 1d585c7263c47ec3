// The page: the access token comes in the fragment of the address, which no server sees: #token=...&client=...&again=...
// (a page of the casino that opens this one with a new token). It is taken out of the address at once.

import { AccessEnded, Connection, read } from "./feed.js";
import { GameView, jackpot } from "./view.js";

const part = (id) => document.getElementById(id);
const given = new URLSearchParams(location.hash.slice(1));
const token = given.get("token");
const client = Number(given.get("client"));
history.replaceState(null, "", location.pathname);

const views = new Map();
// A game that was added since shows up, and one that was disabled goes.
const LIST_AGAIN_AFTER = 30_000;
const LABELS = { live: "Live", lost: "Connection lost, reconnecting", ended: "Access has ended" };

const connection = token && new Connection(token, { frame, state, connected });
if (connection) {
  connection.start();
  setInterval(() => views.forEach((view) => view.tick()), 200);
  setInterval(() => connection.isUp() && connection.connected(), LIST_AGAIN_AFTER);
  readJackpots();
} else {
  end("This page is opened by a casino, which gives it access.");
}

async function connected() {
  const games = await read(token, `/games/list?language=${encodeURIComponent(navigator.language)}`);
  for (const game of games) {
    if (!views.has(game.GameType)) views.set(game.GameType, new GameView(game, part("games")));
    await connection.subscribe(game.GameType, client);
  }
  for (const [gameType, view] of views) {
    if (!games.some((one) => one.GameType === gameType)) {
      view.card.remove();
      views.delete(gameType);
    }
  }
  await Promise.all([...views.keys()].map(readHistory));
  part("notice").hidden = games.length > 0;
  part("notice").textContent = "There are no live games at the moment.";
}

function frame(found) {
  const [round] = found.wgi;
  const view = round && views.get(round.t);
  if (view?.frame(found)) readHistory(round.t).catch(() => {});
}

async function readHistory(gameType) {
  const found = await read(token, `/games/results?gameType=${gameType}&limit=10`);
  views.get(gameType)?.history(found.Games);
}

function state(name) {
  if ([name, "ended"].includes(part("connection").dataset.state)) return;
  part("connection").dataset.state = name;
  part("connection").textContent = LABELS[name];
  if (name !== "live") views.forEach((view) => view.stale());
  if (name === "ended") end("Access to the feed has ended.");
}

function end(why) {
  part("connection").dataset.state = "ended";
  part("connection").textContent = LABELS.ended;
  const notice = part("notice");
  notice.hidden = false;
  notice.textContent = why;
  const again = URL.canParse(given.get("again") ?? "") ? new URL(given.get("again")) : null;
  if (again && ["http:", "https:"].includes(again.protocol)) {
    const link = document.createElement("a");
    link.href = again.href;
    link.textContent = `Open it again at ${again.host}`;
    notice.append(" ", link);
  }
}

async function readJackpots(known = {}) {
  try {
    const found = await read(token, "/jackpots/accumulated", known);
    if (found) {
      part("jackpots").hidden = found.length === 0;
      part("jackpots").replaceChildren(...found.map(jackpot));
    }
  } catch (error) {
    if (error instanceof AccessEnded) return;
    // The state of the connection says that the feed is away.
  }
  setTimeout(readJackpots, 2000, known);
}
