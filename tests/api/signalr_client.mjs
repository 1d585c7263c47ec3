// The real SignalR client of npm, driven by lines of JSON: commands on standard input, events on standard output.
//
// It is the browser's build that the page /live loads. Its first argument is JSON: {url, tokens, browser, skipNegotiation,
// reconnect}. In Node it would require packages; what it needs of them are Node's own WebSocket and fetch. With
// "browser" it does not find itself in Node, and sends the token in the query of the websocket, as browsers do.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const options = JSON.parse(process.argv[2]);
const say = (event, detail = {}) => console.log(JSON.stringify({ event, ...detail }));

class HeaderWebSocket extends WebSocket {
  constructor(url, protocols, { headers } = {}) {
    super(url, { protocols, headers });
    // Node 20 sends no "close" for a websocket that was refused.
    this.addEventListener("error", () => this.readyState === WebSocket.CONNECTING && this.onclose({ code: 1006 }));
  }
}

const packages = {
  ws: HeaderWebSocket,
  eventsource: class {},
  "tough-cookie": { CookieJar: class { getCookies(url, done) { done(null, []); } getCookiesSync() { return []; } } },
  "fetch-cookie": (fetch) => fetch,
};

function load() {
  const code = readFileSync(new URL("../../api/feed/static/signalr/signalr.min.js", import.meta.url), "utf8");
  const module = { exports: {} };
  const run = new Function("require", "module", "exports", "process", "self", code);
  run((name) => packages[name], module, module.exports, options.browser ? undefined : process, globalThis);
  return module.exports;
}

const signalR = load();
let tokensUsed = 0;
const accessTokenFactory = () => {
  say("token");
  return options.tokens[Math.min(tokensUsed++, options.tokens.length - 1)];
};
const http = { accessTokenFactory, WebSocket: HeaderWebSocket };
if (options.skipNegotiation) {
  http.skipNegotiation = true;
  http.transport = signalR.HttpTransportType.WebSockets;
}
const builder = new signalR.HubConnectionBuilder().withUrl(options.url, http).configureLogging(signalR.LogLevel.None);
if (options.reconnect) builder.withAutomaticReconnect(options.reconnect);
const connection = builder.build();
connection.on("SubOnWholeGamesInfo", (frame) => say("pushed", { frame }));
connection.onreconnecting((error) => say("reconnecting", { error: String(error) }));
connection.onreconnected(() => say("reconnected"));
connection.onclose((error) => say("closed", { error: String(error) }));

try {
  await connection.start();
  say("started");
} catch (error) {
  say("failed", { error: String(error) });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, target, given } = JSON.parse(line);
  try {
    say("returned", { result: (await connection[call](target, ...given)) ?? null });
  } catch (error) {
    say("refused", { error: String(error) });
  }
}
await connection.stop();
