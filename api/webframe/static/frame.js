// The frame's page: it waits for the casino's page, opens the session, and shows the lobby or a game.

import { connect } from "./connection.js";
import { loadTexts } from "./texts.js";
import { Bar, button } from "./bar.js";
import { Lobby } from "./lobby.js";
import { Notices } from "./notices.js";
import { FrameSession } from "./session.js";
import { Stage } from "./stage.js";
import { h } from "./dom.js";

const BALANCE_MS = { game: 2_000, lobby: 10_000 };
const LOWEST_STAGE = 420; // pixels
const root = document.getElementById("frame");

class Frame {
  #connection;
  #texts;
  #session;
  #bar;
  #lobby;
  #stage;
  #notices;
  #seen = { top: 0, height: 0 };
  #playing = null; // {game, mode, sessionId}; sessionId is null while the game is launched
  #height = 0;
  #round = null; // of looks at the balance

  constructor(connection, texts) {
    const session = (this.#session = new FrameSession(connection, texts));
    this.#connection = connection;
    this.#texts = texts;
    this.#bar = new Bar(texts, () => session.need("token_invalid"));
    this.#stage = new Stage(texts);
    this.#notices = new Notices(texts);
    const ask = (...call) => session.ask(...call);
    this.#lobby = new Lobby(ask, texts, (game, mode) => this.#launch(game, mode), connection.options.page);
    session.onNeeded = (code, message) => this.#sayLogIn(code, message);
    session.onRenewed = () => this.#renewed();
  }

  async start() {
    const { token } = this.#connection.options;
    document.documentElement.lang = this.#texts.language;
    document.title = this.#texts.say("title");
    root.replaceChildren(this.#bar.element, this.#lobby.element, this.#stage.element, this.#notices.element);
    this.#connection.on("viewport", (seen) => this.#see(seen));
    this.#connection.on("close", () => this.#endGame());
    addEventListener("pagehide", ({ persisted }) => persisted || this.#endGame());
    addEventListener("keydown", ({ key }) => key === "Escape" && this.#playing && this.#leaveGame());
    document.addEventListener("securitypolicyviolation", (event) => this.#refuse(event));
    new ResizeObserver(() => this.#fit()).observe(root);
    await this.#enter(token);
  }

  async #enter(token) {
    this.#showLobby();
    try {
      await this.#session.open(token);
    } catch (error) {
      if (error.loggedOut) await this.#session.token(error.code);
      else return this.#failToOpen(error, token);
    }
    root.removeAttribute("aria-busy");
    this.#bar.known = this.#session.known;
    this.#follow();
    const { game, mode } = this.#connection.options;
    if (game !== null) return this.#launch({ gameId: game, name: this.#texts.say("title") }, mode);
    return this.#loadLobby();
  }

  #failToOpen(error, token) {
    this.#report(error);
    const again = button(this.#texts.say("try_again"), () => this.#enter(token), { kind: "primary" });
    this.#show("stage");
    this.#stage.fail(error.message, ...(error.passing ? [again] : []), ...this.#leaveButtons());
  }

  // Games

  async #launch(game, mode) {
    this.#endGame();
    const playing = (this.#playing = { game, mode, sessionId: null });
    this.#notices.clear();
    this.#show("stage");
    this.#nameGame(game, mode);
    this.#stage.wait(game);
    this.#bar.focus();
    this.#connection.send("scroll_to", { top: 0 });
    try {
      if (mode === "real" && !this.#session.known) await this.#session.token("token_invalid");
      const launched = await this.#session.ask("launch", { game: game.gameId, mode });
      // The player has gone back, or on to another game, while this one was launched.
      if (this.#playing !== playing) return this.#session.end(launched.sessionId);
      this.#open(playing, launched);
    } catch (error) {
      if (this.#playing === playing) this.#failToLaunch(error, game, mode);
    }
  }

  #open(playing, { sessionId, frameUri, game, mode, currency, expiresAt }) {
    playing.sessionId = sessionId;
    const shown = { ...playing.game, ...game };
    this.#nameGame(shown, mode);
    this.#say(this.#texts.say("opened", { game: shown.name }));
    this.#connection.send("session", { sessionId, game, mode, currency, expiresAt });
    this.#stage.show(shown, frameUri, () => this.#launch(playing.game, playing.mode));
    this.#follow();
  }

  #failToLaunch(error, game, mode) {
    this.#report(error);
    const again = button(this.#texts.say("try_again"), () => this.#launch(game, mode), { kind: "primary" });
    this.#stage.fail(error.message, ...(error.passing ? [again] : []), ...this.#leaveButtons());
  }

  // The page's own policy has stopped the browser from showing an address that is no provider's.
  #refuse({ effectiveDirective }) {
    if (effectiveDirective !== "frame-src" || this.#playing === null) return;
    this.#endGame();
    this.#playing = { ...this.#playing, sessionId: null };
    const code = "game_unavailable";
    this.#report({ code, message: this.#texts.error(code) });
    this.#stage.fail(this.#texts.error(code), ...this.#leaveButtons());
  }

  #leaveGame() {
    const { game } = this.#playing;
    this.#endGame();
    this.#playing = null;
    if (this.#connection.options.game !== null) {
      this.#stage.clear();
      return this.#connection.send("exit");
    }
    this.#showLobby();
    this.#loadLobby().then(() => this.#lobby.focus(game.gameId));
  }

  #endGame() {
    if (!this.#playing?.sessionId) return;
    const { sessionId, game } = this.#playing;
    this.#playing.sessionId = null;
    this.#session.end(sessionId);
    this.#connection.send("game_closed", { sessionId, gameId: game.gameId });
  }

  // The player

  #sayLogIn(code, given) {
    const message = given ?? (this.#session.known ? this.#texts.error(code) : this.#texts.say("log_in_to_play"));
    this.#bar.known = this.#session.known;
    const again = button(this.#texts.say("log_in"), () => this.#session.need(code), { kind: "primary" });
    this.#notices.show(message, again);
  }

  #renewed() {
    this.#bar.known = this.#session.known;
    this.#notices.mention(this.#texts.say("renewed"));
    this.#showBalance();
    if (!this.#playing) this.#loadLobby();
  }

  // Begins anew with each game: its first bet must not wait for the next look of a quiet lobby.
  async #follow() {
    const round = (this.#round = {});
    while (this.#round === round) {
      await this.#showBalance();
      await new Promise((done) => setTimeout(done, this.#playing ? BALANCE_MS.game : BALANCE_MS.lobby));
    }
  }

  async #showBalance() {
    if (document.hidden) return;
    try {
      const answer = await this.#session.askIfKnown("balance");
      if (answer === null) return;
      if (this.#bar.showBalance(answer.balance, answer.currency)) this.#connection.send("balance", answer);
    } catch {
      // The last one stays: the next look shows the next one.
    }
  }

  // The page

  #show(what) {
    root.dataset.shows = what;
    this.#lobby.element.hidden = what !== "lobby";
    this.#stage.element.hidden = what !== "stage";
    this.#fit();
  }

  #showLobby() {
    this.#stage.clear();
    this.#bar.show(this.#texts.say("title"), { end: this.#exitButtons() });
    this.#show("lobby");
  }

  #loadLobby() {
    return this.#lobby.load(this.#session.known, this.#connection.options.mode);
  }

  #nameGame(game, mode) {
    const leave = () => this.#leaveGame();
    const own = this.#connection.options.game !== null;
    const back = own ? [] : [button(this.#texts.say("back"), leave, { shape: "back" })];
    const full = document.fullscreenEnabled
      ? [button(this.#texts.say("full_screen"), () => this.#toggleFullScreen(), { shape: "expand" })]
      : [];
    const end = [...full, button(this.#texts.say("close"), leave, { shape: "close" })];
    this.#bar.show(game.name, { tag: mode === "demo" ? this.#texts.say("demo") : null, start: back, end });
  }

  #toggleFullScreen() {
    // Refused by a browser or a page that does not allow it: the game stays as it is.
    const done = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
    done.catch(() => {});
  }

  #exitButtons() {
    if (!this.#connection.options.exit) return [];
    return [button(this.#texts.say("leave"), () => this.#connection.send("exit"), { shape: "leave" })];
  }

  #leaveButtons() {
    const { game, exit } = this.#connection.options;
    if (game === null && this.#playing) return [button(this.#texts.say("back"), () => this.#leaveGame())];
    return exit ? [button(this.#texts.say("leave"), () => this.#connection.send("exit"))] : [];
  }

  #report({ code, message }) {
    this.#connection.send("error", { code: code ?? "internal", message });
  }

  #say(text) {
    document.getElementById("status").textContent = text;
  }

  #see({ top, height }) {
    if (!Number.isFinite(top) || !Number.isFinite(height)) return;
    this.#seen = { top, height };
    // What floats over the page is put where the player looks.
    root.style.setProperty("--seen-top", `${Math.round(top)}px`);
    this.#fit();
  }

  // A lobby is as high as its content; a game is as high as what the player sees of the casino's page.
  #fit() {
    const onStage = root.dataset.shows === "stage";
    const stage = Math.max(LOWEST_STAGE, this.#seen.height || 600);
    root.style.setProperty("--stage-height", `${stage}px`);
    const height = onStage ? stage : Math.ceil(root.getBoundingClientRect().height);
    if (height === this.#height) return;
    this.#height = height;
    this.#connection.send("resize", { height });
  }
}

async function main() {
  if (parent === window) {
    const texts = await loadTexts(navigator.language);
    document.documentElement.lang = texts.language;
    root.replaceChildren(h("p", { className: "alone" }, texts.say("not_embedded")));
    root.removeAttribute("aria-busy");
    return;
  }
  const connection = await connect();
  await new Frame(connection, await loadTexts(connection.options.language)).start();
}

main();
