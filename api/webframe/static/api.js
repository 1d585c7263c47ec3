// The frame's API. The bearer is in this object alone, and is gone with the page.

const LOGGED_OUT = new Set(["token_invalid", "session_expired"]);
const WORTH_A_REPEAT = new Set([
  "provider_unavailable", "casino_unavailable", "rate_limited", "internal", "unreachable",
]);

/** A refusal, or no answer: `code` is one of docs/webframe.md, the message is in the player's language. */
export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  /** Whether a new refresh token helps. */
  get loggedOut() {
    return LOGGED_OUT.has(this.code);
  }

  /** Whether the same call may succeed a little later. */
  get passing() {
    return WORTH_A_REPEAT.has(this.code);
  }
}

export class Api {
  #bearer = null;
  #texts;

  constructor(texts) {
    this.#texts = texts;
  }

  /** Open the frame's session, or replace it. Returns what the server knows of the player. Throws ApiError. */
  async open(asked) {
    const { bearer, ...opened } = await this.#post("open", asked, null);
    this.#bearer = bearer;
    return opened;
  }

  /** Call `games`, `launch`, `balance` or `close`. Throws ApiError. */
  call(name, asked = {}, options = {}) {
    return this.#post(name, asked, this.#bearer, options);
  }

  async #post(name, asked, bearer, { signal, keepalive = false } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (bearer !== null) headers.Authorization = `Bearer ${bearer}`;
    const request = { method: "POST", headers, body: JSON.stringify(asked), credentials: "omit", signal, keepalive };
    let response;
    try {
      response = await fetch(`api/${name}`, request);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw this.#error("unreachable");
    }
    const body = await response.json().catch(() => null);
    if (response.ok && body !== null) return body;
    throw this.#error(body?.code ?? "internal", body?.message);
  }

  #error(code, message) {
    return new ApiError(code, message || this.#texts.error(code));
  }
}
