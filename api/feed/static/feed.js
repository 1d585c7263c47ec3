// The feed as a page reads it: calls over HTTP, and a connection to the hub that comes back by itself.

const API = "partnersmediator-service/api/v2";
const HUB = "signalrhub-livefeed-service/hubs";
// Frames come twice a second: after this nothing has come, whatever the connection says.
const SILENT_AFTER = 5000;

export class AccessEnded extends Error {}

/** Read one call; returns null if nothing has changed since the ETag in `known`. */
export async function read(token, path, known = {}) {
  const headers = { Authorization: `Bearer ${token}` };
  if (known.etag) headers["If-None-Match"] = known.etag;
  const response = await fetch(`${API}${path}`, { headers, cache: "no-store" });
  if (response.status === 304) return null;
  if (response.status === 401 || response.status === 403) throw new AccessEnded();
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  known.etag = response.headers.get("ETag");
  return (await response.json()).Value;
}

/** Keep a connection for as long as the token holds. `on` has frame(frame), state(live | lost | ended), connected(). */
export class Connection {
  constructor(token, on) {
    this.token = token;
    this.on = on;
    this.heard = Date.now();
    this.subscribed = false;
    const retry = {
      nextRetryDelayInMilliseconds: ({ previousRetryCount, retryReason }) =>
        isRefused(retryReason) ? null : pause(previousRetryCount),
    };
    this.hub = new signalR.HubConnectionBuilder()
      .withUrl(HUB, { accessTokenFactory: () => token })
      .withAutomaticReconnect(retry)
      .configureLogging(signalR.LogLevel.None)
      .build();
    this.hub.on("SubOnWholeGamesInfo", (frame) => {
      this.heard = Date.now();
      on.state("live");
      on.frame(frame);
    });
    this.hub.onreconnecting(() => on.state("lost"));
    this.hub.onreconnected(() => this.connected());
    // The client gives up when the hub forbids it to come back; the page never does while its token holds.
    this.hub.onclose(() => this.start());
    setInterval(() => this.listen(), 1000);
  }

  async start(attempt = 0) {
    try {
      await this.hub.start();
      await this.connected();
    } catch (error) {
      if (isRefused(error)) return this.on.state("ended");
      this.on.state("lost");
      setTimeout(() => this.start(attempt + 1), pause(attempt + 1));
    }
  }

  async connected() {
    this.heard = Date.now();
    try {
      await this.on.connected();
      if (!this.subscribed) this.on.state("live");
    } catch (error) {
      if (error instanceof AccessEnded) return this.on.state("ended");
      this.on.state("lost");
      setTimeout(() => this.isUp() && this.connected(), 2000);
    }
  }

  isUp() {
    return this.hub.state === signalR.HubConnectionState.Connected;
  }

  subscribe(gameType, clientId) {
    this.subscribed = true;
    const about = JSON.stringify({ GameType: gameType, PartnerClientId: clientId, Count: 1 });
    return this.hub.invoke("Subscribe", "SubOnWholeGamesInfo", about);
  }

  listen() {
    if (this.subscribed && Date.now() - this.heard > SILENT_AFTER) this.on.state("lost");
  }
}

/** The client's errors say in words alone that the token was not taken. */
function isRefused(error) {
  return /Status code '40[13]'/.test(String(error));
}

function pause(attempt) {
  return attempt === 0 ? 0 : Math.min(500 * 2 ** attempt, 5000) * (0.75 + Math.random() / 2);
}
