// The stage: one game in its iframe. The game's page is its provider's, and gets nothing but a place to be shown.

import { h } from "./dom.js";
import { button } from "./bar.js";
import { picture } from "./lobby.js";

const SLOW_MS = 20_000;
const SANDBOX = "allow-scripts allow-same-origin allow-forms allow-popups";
const FEATURES = "autoplay; fullscreen; clipboard-write";

export class Stage {
  element = h("main", { className: "stage" });
  #texts;
  #frame = null;
  #slow = 0;

  constructor(texts) {
    this.#texts = texts;
  }

  /** Show that a game is on its way. */
  wait(game) {
    this.#clear();
    const text = h("p", { role: "status" }, this.#texts.say("opening", { game: game.name }));
    const dots = h("div", { className: "dots" });
    this.element.replaceChildren(h("div", { className: "curtain" }, picture(game), dots, text));
  }

  /** Show the game of this address. `reload` is called if the player wants to try again. */
  show(game, address, reload) {
    const frame = (this.#frame = h("iframe", {
      className: "game", title: this.#texts.say("game_frame", { game: game.name }), referrerPolicy: "strict-origin",
    }));
    frame.setAttribute("sandbox", SANDBOX);
    frame.setAttribute("allow", FEATURES);
    frame.onload = () => this.#raise();
    this.#slow = setTimeout(() => {
      const again = button(this.#texts.say("try_again"), reload, { kind: "primary" });
      this.element.querySelector(".curtain")?.append(h("p", { role: "alert" }, this.#texts.say("slow")), again);
    }, SLOW_MS);
    frame.src = address;
    this.element.append(frame);
  }

  /** Show why there is no game, with buttons for what can be done. */
  fail(message, ...buttons) {
    this.#clear();
    const words = h("p", { role: "alert" }, message);
    const choices = h("div", { className: "choices" }, ...buttons);
    this.element.replaceChildren(h("div", { className: "curtain" }, words, choices));
  }

  /** Take the game away. */
  clear() {
    this.#clear();
    this.element.replaceChildren();
  }

  // A player who came by keyboard plays on in the game, unless the focus has gone elsewhere meanwhile.
  #raise() {
    clearTimeout(this.#slow);
    this.element.querySelector(".curtain")?.remove();
    if (document.activeElement?.closest("button") === null) this.#frame.focus({ preventScroll: true });
  }

  #clear() {
    clearTimeout(this.#slow);
    this.#frame?.remove();
    this.#frame = null;
  }
}
