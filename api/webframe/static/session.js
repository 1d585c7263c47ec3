// The player's session with the frame: opened by the casino's refresh token, renewed by another one.

import { Api, ApiError } from "./api.js";

export class FrameSession {
  #api;
  #connection;
  #fresh = [];
  #asked = false;

  /** The currency of the player; null for a visitor who is not logged in. */
  currency = null;
  /** Called when the casino has given another token, and when one is needed. */
  onRenewed = () => {};
  onNeeded = () => {};

  constructor(connection, texts) {
    this.#connection = connection;
    this.#api = new Api(texts);
    connection.on("set_token", ({ token }) => this.#renew(token));
  }

  get known() {
    return this.currency !== null;
  }

  /** Open the session with the token, null for a visitor. Throws ApiError. */
  async open(token) {
    const { language, viewType, tagId, mode } = this.#connection.options;
    const clientId = Number(location.pathname.split("/").at(-1));
    const asked = { clientId, token, language, viewType, tagId, mode, origin: this.#connection.origin };
    const { player } = await this.#api.open(asked);
    this.currency = player?.currency ?? null;
  }

  /** Call the API. One that needs another token waits for it, and is sent again. Throws ApiError. */
  async ask(name, asked, options) {
    try {
      return await this.#api.call(name, asked, options);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.loggedOut) throw error;
      await this.token(error.code);
      return this.#api.call(name, asked, options);
    }
  }

  /** Call the API for what can wait. Returns null while a token is waited for. Throws ApiError. */
  async askIfKnown(name) {
    if (!this.known || this.#asked) return null;
    try {
      return await this.#api.call(name);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.loggedOut) throw error;
      this.need(error.code);
      return null;
    }
  }

  /** Return when the casino's page has given another token, and it was taken. */
  token(code) {
    this.need(code);
    return new Promise((resolve) => this.#fresh.push(resolve));
  }

  /** Tell the casino's page and the player that another token is needed. */
  need(code) {
    this.#asked = true;
    this.#connection.send("auth_required", { code });
    this.onNeeded(code);
  }

  /** End a game's session, also while the page goes away. */
  async end(sessionId) {
    // It ends by itself some time later, if the call does not arrive.
    await this.#api.call("close", { sessionId }, { keepalive: true }).catch(() => {});
  }

  async #renew(token) {
    try {
      await this.open(token);
    } catch (error) {
      if (error.loggedOut) this.need(error.code);
      else this.onNeeded(error.code, error.message);
      this.#connection.send("error", { code: error.code, message: error.message });
      return;
    }
    this.#asked = false;
    for (const resolve of this.#fresh.splice(0)) resolve();
    this.onRenewed();
  }
}
