// The lobby: the games that can be played now, by category and by search, a page at a time.

import { h, icon } from "./dom.js";
import { button } from "./bar.js";

const PAGE = 24;
const PAUSE_MS = 250; // after a key, before the search begins

export class Lobby {
  #ask;
  #texts;
  #play;
  #known = false;
  #mode = "real";
  #category = null;
  #question = {}; // that the list answers: what is typed meanwhile belongs to the next one
  #cursor = null;
  #running = null;
  #shown = 0;
  #typed = 0;

  #search;
  #clear;
  #categories;
  #count = h("p", { className: "count", role: "status" });
  #list = h("ul", { className: "games", role: "list" });
  #below = h("div", { className: "below" });

  /** `ask` calls the API; `play` takes a game and a mode; `category` is the one to begin with, or null. */
  constructor(ask, texts, play, category) {
    this.#ask = ask;
    this.#texts = texts;
    this.#play = play;
    this.#category = category;
    this.#search = h("input", {
      type: "search", id: "search", className: "search-input", placeholder: texts.say("search"), maxLength: 100,
      autocomplete: "off", spellcheck: false, enterKeyHint: "search", oninput: () => this.#type(),
    });
    this.#clear = button(texts.say("clear"), () => this.#forget(), { shape: "close" });
    this.#clear.hidden = true;
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#search.value) {
        event.stopPropagation();
        this.#forget();
      }
    });
    this.#categories = h("nav", { className: "categories", "aria-label": texts.say("categories") });
    const label = h("label", { className: "unseen", htmlFor: "search" }, texts.say("search"));
    const search = h("search", { className: "search" }, label, icon("search"), this.#search, this.#clear);
    const head = h("div", { className: "lobby-head" }, search, this.#categories);
    this.element = h("main", { className: "lobby" }, head, this.#count, this.#list, this.#below);
  }

  /** Load the games anew: `known` says whether the player is logged in, `mode` how games are played by default. */
  load(known, mode) {
    this.#known = known;
    this.#mode = mode;
    return this.#start();
  }

  /** Put the focus back on the game that was played. */
  focus(gameId) {
    const card = gameId === null ? null : this.#list.querySelector(`[data-game="${CSS.escape(gameId)}"]`);
    (card ?? this.#search).focus();
    return card !== null;
  }

  #type() {
    this.#clear.hidden = this.#search.value === "";
    clearTimeout(this.#typed);
    this.#typed = setTimeout(() => this.#start(), PAUSE_MS);
  }

  #forget() {
    clearTimeout(this.#typed);
    this.#search.value = "";
    this.#clear.hidden = true;
    this.#search.focus();
    this.#start();
  }

  #choose(category) {
    this.#category = category;
    return this.#start();
  }

  async #start() {
    this.#question = { category: this.#category, search: this.#search.value.trim() || null };
    this.#cursor = null;
    this.#shown = 0;
    this.#list.classList.add("stale");
    for (const one of this.#below.querySelectorAll("button")) one.disabled = true;
    if (!this.#list.hasChildNodes()) this.#list.replaceChildren(...skeletons());
    await this.#fetch(true);
  }

  // The answer to an earlier question must not replace the answer to a later one.
  async #fetch(fresh) {
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    const asked = { limit: PAGE, cursor: this.#cursor, ...this.#question };
    try {
      const answer = await this.#ask("games", given(asked), { signal: running.signal });
      if (running.signal.aborted) return;
      this.#showCategories(answer.categories);
      this.#showGames(answer, fresh);
    } catch (error) {
      if (running.signal.aborted) return;
      this.#showError(error, fresh);
    }
  }

  #showCategories(names) {
    const all = [null, ...names];
    if (this.#category !== null && !names.includes(this.#category)) all.push(this.#category);
    const held = this.#categories.contains(document.activeElement);
    const buttons = all.map((name) => {
      const text = name === null ? this.#texts.say("all") : this.#texts.category(name);
      const chosen = name === this.#category;
      const one = button(text, () => this.#choose(name), { kind: "category" });
      one.setAttribute("aria-pressed", String(chosen));
      if (chosen && held) queueMicrotask(() => one.focus());
      return one;
    });
    this.#categories.replaceChildren(...buttons);
    this.#categories.hidden = names.length < 2;
  }

  #showGames({ games, nextCursor }, fresh) {
    const cards = games.map((game) => this.#card(game));
    this.#list.classList.remove("stale");
    if (fresh) this.#list.replaceChildren(...cards);
    else this.#list.append(...cards);
    this.#cursor = nextCursor ?? null;
    this.#shown += games.length;
    this.#count.textContent = this.#shown ? this.#texts.found(this.#shown, this.#cursor !== null) : "";
    // A player who types meanwhile goes on typing.
    if (!fresh && document.activeElement !== this.#search) cards[0]?.querySelector("button").focus();
    this.#below.replaceChildren(...this.#after());
  }

  #after() {
    const { category, search } = this.#question;
    if (this.#cursor !== null) {
      return [button(this.#texts.say("more"), ({ target }) => this.#more(target), { kind: "wide" })];
    }
    if (this.#shown) return [];
    const text = search ? this.#texts.say("none", { search }) : this.#texts.say("none_here");
    const back = button(this.#texts.say("show_all"), () => this.#showAll(), { kind: "primary" });
    return [h("p", { className: "empty", role: "status" }, text), ...(search || category ? [back] : [])];
  }

  #showAll() {
    this.#category = null;
    this.#forget();
  }

  #more(pressed) {
    pressed.disabled = true;
    pressed.textContent = this.#texts.say("loading");
    return this.#fetch(false);
  }

  #showError(error, fresh) {
    if (fresh) this.#list.replaceChildren();
    this.#list.classList.remove("stale");
    this.#count.textContent = "";
    const again = button(this.#texts.say("try_again"), () => this.#fetch(fresh), { kind: "primary" });
    this.#below.replaceChildren(h("p", { className: "empty", role: "alert" }, error.message), again);
  }

  #card(game) {
    const texts = this.#texts;
    // A visitor plays for fun if the game allows it, and is asked to log in if it does not.
    const mode = game.demo && (this.#mode === "demo" || !this.#known) ? "demo" : "real";
    const name = texts.say(mode === "demo" ? "demo_of" : "play_of", { game: game.name });
    const word = texts.say(mode === "demo" ? "demo" : this.#known ? "play" : "log_in_to_play");
    const play = h(
      "button",
      {
        type: "button", className: "card-play", "aria-label": `${name}, ${game.provider}`, "data-game": game.gameId,
        onclick: () => this.#play(game, mode),
      },
      picture(game),
      h("span", { className: "card-name" }, game.name),
      h("span", { className: "card-provider" }, game.provider),
      h("span", { className: "card-word", "aria-hidden": "true" }, icon("play"), word),
    );
    if (!game.demo || mode === "demo") return h("li", { className: "card" }, play);
    const demo = button(texts.say("demo"), () => this.#play(game, "demo"), { kind: "card-demo" });
    demo.setAttribute("aria-label", texts.say("demo_of", { game: game.name }));
    return h("li", { className: "card" }, play, demo);
  }
}

function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

/** Return the game's picture above a drawn one, which shows while there is none. */
export function picture({ name, imageUrl }) {
  const letters = name.split(/\s+/).slice(0, 2).map((word) => [...word][0]?.toUpperCase() ?? "").join("");
  const inside = h("span", { className: "letters" }, letters);
  const drawn = h("span", { className: "picture", "aria-hidden": "true" }, inside);
  drawn.style.setProperty("--hue", hue(name));
  if (!imageUrl) return drawn;
  const image = h("img", { alt: "", loading: "lazy", decoding: "async", referrerPolicy: "no-referrer" });
  image.onload = () => image.classList.add("loaded");
  image.onerror = () => image.remove();
  image.src = imageUrl;
  drawn.append(image);
  return drawn;
}

// Names that differ by a letter get colours that are far apart: 137 degrees is the golden angle.
function hue(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return (sum * 137) % 360;
}

function skeletons() {
  return Array.from({ length: 12 }, () => h("li", { className: "card skeleton", "aria-hidden": "true" }));
}
