// @ts-check
// What a page does to follow the floor: through the shared worker, or by itself where there is none.
import { Stream } from "./stream.js";

/** @typedef {import("./stream.js").Message} Message */

/** Call `listener` with everything, then with each change. @param {(message: Message) => void} listener */
export function watch(listener) {
  if (!("SharedWorker" in window)) {
    new Stream("/live/floor", listener);
    return;
  }
  // Another person's session must not be served by a worker that began with the one before.
  const name = `rondo-${document.documentElement.dataset.who}`;
  const worker = new SharedWorker(new URL("./live-worker.js", import.meta.url), { type: "module", name });
  let heard = false;
  worker.port.onmessage = ({ data }) => {
    heard = true;
    listener(data);
  };
  worker.onerror = () => {
    if (!heard) new Stream("/live/floor", listener);
  };
  addEventListener("pagehide", () => worker.port.postMessage("bye"));
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}
