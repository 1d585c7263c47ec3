// The bar at the top of the frame: where the player is, the balance, and the ways out.

import { h, icon } from "./dom.js";

/** Return a button; one with an icon has its name for screen readers and as a hint. */
export function button(name, onclick, { shape = null, kind = "quiet" } = {}) {
  if (shape === null) return h("button", { type: "button", className: `button ${kind}`, onclick }, name);
  const properties = { type: "button", className: `button square ${kind}`, title: name, "aria-label": name, onclick };
  return h("button", properties, icon(shape));
}

export class Bar {
  #texts;
  #heading = h("h1", { className: "bar-title", tabIndex: -1 });
  #tag = h("span", { className: "tag", hidden: true });
  #start = h("div", { className: "bar-start" });
  #end = h("div", { className: "bar-end" });
  #amount = h("strong", { className: "amount" });
  #purse;
  #login;

  constructor(texts, onLogin) {
    this.#texts = texts;
    const label = h("span", { className: "purse-label" }, texts.say("balance"));
    this.#purse = h("p", { className: "purse", hidden: true }, label, " ", this.#amount);
    this.#login = button(texts.say("log_in"), onLogin, { kind: "primary" });
    this.#login.hidden = true;
    const titles = h("div", { className: "bar-titles" }, this.#heading, this.#tag);
    this.element = h("header", { className: "bar" }, this.#start, titles, this.#purse, this.#login, this.#end);
  }

  /** Show where the player is: `start` and `end` are buttons, `tag` a word beside the title or null. */
  show(title, { tag = null, start = [], end = [] } = {}) {
    this.#heading.textContent = title;
    this.#tag.textContent = tag ?? "";
    this.#tag.hidden = tag === null;
    this.#start.replaceChildren(...start);
    this.#end.replaceChildren(...end);
  }

  /** Show who plays: a player has a balance, a visitor may log in. */
  set known(known) {
    this.#login.hidden = known;
    if (!known) this.#purse.hidden = true;
  }

  /** Show the balance. Returns whether it is another one than before. */
  showBalance(balance, currency) {
    const text = this.#texts.money(balance, currency);
    const moved = this.#amount.textContent !== text;
    this.#purse.hidden = false;
    this.#amount.textContent = text;
    // An animation that is already there does not begin again: taken away, and put back after a look at the page.
    this.#amount.classList.remove("moved");
    if (moved) {
      void this.#amount.offsetWidth;
      this.#amount.classList.add("moved");
    }
    return moved;
  }

  focus() {
    this.#heading.focus({ preventScroll: true });
  }
}
