// A casino's page: it logs a player in at its own server, and hands the refresh token to the frame.
//
// What it opens may stand in the address: ?game=, ?page=, ?mode=demo, ?language=pt-BR. A token never does.

const { aggregator, client } = document.documentElement.dataset;
const query = new URLSearchParams(location.search);
const part = (id) => document.getElementById(id);
let player = null;

const frame = window.BetcoreWebFrame.open({
  element: "#games",
  server: aggregator,
  clientId: Number(client),
  token: null,
  game: query.get("game"),
  page: query.get("page"),
  mode: query.get("mode") ?? "real",
  language: query.get("language") ?? "en",
  exitUrl: query.get("exit"),
  floatTop: document.querySelector("header").offsetHeight,
});

for (const event of ["auth_required", "session", "balance", "game_closed", "error", "exit"]) {
  frame.on(event, (detail) => {
    const line = document.createElement("li");
    line.textContent = `${event} ${JSON.stringify(detail)}`;
    part("events").append(line);
  });
}

frame.on("balance", ({ balance, currency }) => {
  part("balance").textContent = `${balance} ${currency}`;
});

// A casino whose player is still logged in gives another token at once; else it shows its log-in.
frame.on("auth_required", () => (player === null ? part("login").elements.player.focus() : logIn(player)));

part("login").addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(part("login").elements.player.value);
});

async function logIn(name) {
  const request = { method: "POST", body: JSON.stringify({ partner_user_id: name }) };
  const response = await fetch(`/casino/${client}/login`, request);
  part("wrong").textContent = response.ok ? "" : "There is no such player.";
  if (!response.ok) return;
  player = name;
  part("login").hidden = true;
  part("known").hidden = false;
  part("who").textContent = name;
  frame.setToken((await response.json()).refresh_token);
}
