// What the player must know now: one message at a time, over the page, where it can be seen.

import { h } from "./dom.js";
import { button } from "./bar.js";

const BRIEFLY_MS = 4_000;

export class Notices {
  element = h("div", { className: "notices", role: "alert" });
  #texts;
  #going = 0;

  constructor(texts) {
    this.#texts = texts;
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.clear();
    });
  }

  /** Show a message until it is closed; `actions` are buttons. */
  show(message, ...actions) {
    clearTimeout(this.#going);
    const close = button(this.#texts.say("dismiss"), () => this.clear(), { shape: "close" });
    this.element.replaceChildren(h("div", { className: "notice" }, h("p", {}, message), ...actions, close));
  }

  /** Show a message for a few seconds. It lies over the bar, and takes no click from what is below it. */
  mention(message) {
    this.clear();
    this.element.replaceChildren(h("div", { className: "notice brief" }, h("p", {}, message)));
    this.#going = setTimeout(() => this.clear(), BRIEFLY_MS);
  }

  clear() {
    clearTimeout(this.#going);
    this.element.replaceChildren();
  }
}
