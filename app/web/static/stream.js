// @ts-check
// The one connection to the service's stream, and everything that came over it. Used by the shared
// worker, or by a page where there are none.

/**
 * @typedef {{kind: "all" | "change", set: [string, string][], gone: string[], at: number, speed: number,
 *   received: number}} Patch
 * @typedef {{kind: "state", state: "connecting" | "live" | "lost" | "signed_out"}} State
 * @typedef {{kind: "clock", at: number, speed: number, received: number}} Time
 * @typedef {Patch | State | Time} Message
 */

const SILENCE_MS = 30_000;
const RETRY_MS = 2_000;

const wall = () => performance.timeOrigin + performance.now();

export class Stream {
  /** @param {string} address @param {(message: Message) => void} tell */
  constructor(address, tell) {
    this.address = address;
    this.tell = tell;
    /** @type {Map<string, string>} */
    this.html = new Map();
    this.lastId = "";
    /** @type {State["state"]} */
    this.state = "connecting";
    this.time = { at: 0, speed: 1, received: 0 };
    this.heardAt = wall();
    this.open();
    setInterval(() => this.look(), 5_000);
  }

  /** What a page that joins now has to know. @returns {Message[]} */
  everything() {
    /** @type {Message[]} */
    const messages = [{ kind: "state", state: this.state }];
    if (this.lastId) messages.unshift({ kind: "all", set: [...this.html], gone: [], ...this.time });
    return messages;
  }

  open() {
    const source = new EventSource(this.address + (this.lastId ? `?after=${this.lastId}` : ""));
    this.source = source;
    this.heardAt = wall();
    source.addEventListener("all", (event) => this.take("all", event));
    source.addEventListener("change", (event) => this.take("change", event));
    source.addEventListener("clock", (event) => this.take("clock", event));
    source.addEventListener("signed_out", () => this.end());
    source.addEventListener("error", () => this.lose());
  }

  /** @param {"all" | "change" | "clock"} kind @param {MessageEvent} event */
  take(kind, event) {
    const { at, speed, set = {}, gone = [] } = JSON.parse(event.data);
    this.heardAt = wall();
    this.time = { at, speed, received: this.heardAt };
    this.lastId = event.lastEventId;
    if (kind === "all") this.html.clear();
    for (const [key, html] of Object.entries(set)) this.html.set(key, html);
    for (const key of gone) this.html.delete(key);
    if (kind === "clock") this.tell({ kind, ...this.time });
    else this.tell({ kind, set: Object.entries(set), gone, ...this.time });
    this.become("live");
  }

  lose() {
    this.become("lost");
    // A browser tries again by itself unless the service refused.
    if (this.source?.readyState === EventSource.CLOSED) setTimeout(() => this.ask(), RETRY_MS);
  }

  /** Find out why the service refused, and connect again unless nobody is signed in. */
  async ask() {
    const answer = await fetch("/live/who").catch(() => null);
    if (answer && (answer.status === 401 || answer.status === 403)) this.end();
    else if (answer?.ok) this.open();
    else setTimeout(() => this.ask(), RETRY_MS);
  }

  /** Connections can die without a word; the service is never silent for long. */
  look() {
    if (this.state !== "signed_out" && wall() - this.heardAt > SILENCE_MS) {
      this.source?.close();
      this.become("lost");
      this.open();
    }
  }

  end() {
    this.source?.close();
    this.become("signed_out");
  }

  /** @param {State["state"]} state */
  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.tell({ kind: "state", state });
  }
}
