// The frame's side of the messages with the casino's page.
//
// The browser loads this page inside the casino's origins alone (the header frame-ancestors), so that the parent is one
// of them. Its `init` is taken once, and brings the port over which all else goes.

/** Announce this page to its parent, and return the connection when `init` has come. */
export function connect() {
  return new Promise((resolve) => {
    addEventListener("message", function take(event) {
      const [port] = event.ports;
      if (event.source !== parent || event.data?.type !== "init" || !port) return;
      removeEventListener("message", take);
      resolve(new Connection(event.data, event.origin, port));
    });
    // It names nothing secret, and the parent's origin is not known before its `init`.
    parent.postMessage({ type: "ready" }, "*");
  });
}

class Connection {
  #port;
  #listeners = new Map();

  constructor({ type, ...options }, origin, port) {
    this.options = options;
    this.origin = origin;
    this.#port = port;
    port.onmessage = ({ data }) => this.#listeners.get(data?.type)?.(data);
  }

  /** Send a message to the casino's page. */
  send(type, detail = {}) {
    this.#port.postMessage({ type, ...detail });
  }

  /** Call the function at each message of this type; messages of other types are ignored. */
  on(type, listener) {
    this.#listeners.set(type, listener);
  }
}
