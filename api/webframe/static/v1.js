// BetcoreWebFrame puts the games of a casino into the casino's page: docs/webframe.md.
//
// The refresh token travels to the frame over a MessagePort: it never stands in an address, a cookie or a storage.
(() => {
  "use strict";

  const script = document.currentScript;
  const VIEW_TYPES = ["desktop", "mobile"];
  const MODES = ["real", "demo"];
  const TALLEST = 100_000; // pixels
  // What the frame may send, and what on() takes.
  const EVENTS = [
    "ready", "resize", "scroll_to", "auth_required", "session", "balance", "game_closed", "error", "exit",
  ];

  function open(given) {
    const options = read(given);
    const listeners = new Map(EVENTS.map((event) => [event, new Set()]));
    const frame = frameOf(options);
    let token = options.token;
    let port = null;
    let closed = false;

    function emit(event, detail) {
      for (const listener of [...(listeners.get(event) ?? [])]) {
        // A listener that throws must not keep the others, or the frame, from going on.
        try {
          listener(detail);
        } catch (error) {
          setTimeout(() => { throw error; });
        }
      }
    }

    function send(message) {
      port?.postMessage(message);
    }

    // The frame says `ready` each time its page has loaded: it then holds neither a token nor a port.
    function greet(event) {
      const said = event.data?.type;
      if (said !== "ready" || event.source !== frame.contentWindow || event.origin !== options.origin) return;
      port?.close();
      const channel = new MessageChannel();
      port = channel.port1;
      port.onmessage = ({ data }) => obey(data);
      const { language, game, page, viewType, tagId, mode, exitUrl } = options;
      const init = { type: "init", token, language, game, page, viewType, tagId, mode, exit: exitUrl !== null };
      frame.contentWindow.postMessage(init, options.origin, [channel.port2]);
      look();
      emit("ready", {});
    }

    function obey(message) {
      if (closed || !listeners.has(message?.type) || message.type === "ready") return;
      const { type, ...detail } = message;
      if (type === "resize") resize(detail.height);
      if (type === "scroll_to") scrollTo(detail.top);
      emit(type, detail);
      if (type === "exit" && options.exitUrl !== null) location.assign(options.exitUrl);
    }

    function resize(height) {
      if (height > 0 && height < TALLEST) frame.style.height = `${Math.ceil(height)}px`;
      look();
    }

    // Scrolls so that this point of the frame is just below what floats at the top of the page.
    function scrollTo(top) {
      if (!Number.isFinite(top)) return;
      const by = frame.getBoundingClientRect().top + top - visible().top;
      const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
      (options.scrollContainer ?? window).scrollBy({ top: by, behavior });
    }

    // The part of the window in which the frame can be seen, in the coordinates of the window.
    function visible() {
      const box = options.scrollContainer?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
      const top = Math.max(box.top, 0) + options.floatTop;
      return { top, height: Math.max(0, Math.min(box.bottom, innerHeight) - top) };
    }

    let looking = 0;
    function look() {
      cancelAnimationFrame(looking);
      looking = requestAnimationFrame(() => {
        const { top, height } = visible();
        send({ type: "viewport", top: Math.max(0, top - frame.getBoundingClientRect().top), height });
      });
    }

    const scrolls = options.scrollContainer ?? window;
    addEventListener("message", greet);
    addEventListener("resize", look);
    scrolls.addEventListener("scroll", look, { passive: true });
    options.element.append(frame);

    return {
      /** End the game and take the frame out of the page. */
      close() {
        if (closed) return;
        closed = true;
        send({ type: "close" });
        cancelAnimationFrame(looking);
        removeEventListener("message", greet);
        removeEventListener("resize", look);
        scrolls.removeEventListener("scroll", look);
        frame.remove();
      },
      /** Hand on a new refresh token; a running game stays. */
      setToken(fresh) {
        token = text("token", fresh);
        send({ type: "set_token", token });
      },
      /** Call the function at each such event. Returns a function that ends this. */
      on(event, listener) {
        const all = listeners.get(event);
        if (!all || typeof listener !== "function") throw new TypeError(`on: ${event}`);
        all.add(listener);
        return () => all.delete(listener);
      },
    };
  }

  function frameOf({ base, clientId, title }) {
    const frame = document.createElement("iframe");
    frame.title = title;
    frame.allow = "autoplay; fullscreen; clipboard-write";
    frame.referrerPolicy = "strict-origin";
    frame.style.cssText = "display:block;width:100%;height:600px;border:0;color-scheme:normal";
    frame.src = `${base}/webframe/${clientId}`;
    return frame;
  }

  // Returns the options, each in its type. Throws TypeError for what a page has written wrong.
  function read(given) {
    const server = new URL(given.server ?? script.src);
    const base = given.server == null ? server.origin : server.href.replace(/\/+$/, "");
    return {
      base,
      origin: server.origin,
      element: one("element", given.element),
      clientId: number("clientId", given.clientId),
      token: given.token == null ? null : text("token", given.token),
      game: given.game == null ? null : text("game", String(given.game)),
      page: given.page == null ? null : text("page", given.page),
      language: text("language", given.language ?? (document.documentElement.lang || navigator.language)),
      viewType: among(VIEW_TYPES, "viewType", given.viewType ?? VIEW_TYPES[Number(innerWidth < 768)]),
      tagId: number("tagId", given.tagId ?? 0),
      mode: among(MODES, "mode", given.mode ?? "real"),
      exitUrl: given.exitUrl == null ? null : address("exitUrl", given.exitUrl),
      scrollContainer: given.scrollContainer == null ? null : one("scrollContainer", given.scrollContainer),
      floatTop: number("floatTop", given.floatTop ?? 0),
      title: text("title", given.title ?? "Games"),
    };
  }

  function one(name, given) {
    const element = typeof given === "string" ? document.querySelector(given) : given;
    return element instanceof Element ? element : wrong(name, given);
  }

  function text(name, given) {
    return typeof given === "string" && given !== "" ? given : wrong(name, given);
  }

  function number(name, given) {
    const value = given === "" || typeof given === "object" ? NaN : Number(given);
    return Number.isSafeInteger(value) && value >= 0 ? value : wrong(name, given);
  }

  function among(allowed, name, given) {
    return allowed.includes(given) ? given : wrong(name, given);
  }

  function address(name, given) {
    const url = new URL(given, location.href);
    return ["https:", "http:"].includes(url.protocol) ? url.href : wrong(name, given);
  }

  function wrong(name, given) {
    // The value of a token must not reach a console or an error report.
    throw new TypeError(`BetcoreWebFrame.open: ${name}${name === "token" ? "" : ` is ${String(given)}`}`);
  }

  window.BetcoreWebFrame = Object.freeze({ open });
})();
