// @ts-check
// Shared by all tabs of a browser: owns their only connection. Browsers allow six to a host over
// HTTP/1.1, so that with one for each tab the seventh would never load.
import { Stream } from "./stream.js";

/** @type {Set<MessagePort>} */
const tabs = new Set();
const stream = new Stream("/live/floor", (message) => tabs.forEach((tab) => tab.postMessage(message)));

self.addEventListener("connect", (event) => {
  const tab = /** @type {MessageEvent} */ (event).ports[0];
  if (!tab) return;
  tab.onmessage = ({ data }) => {
    if (data === "bye") tabs.delete(tab);
  };
  tabs.add(tab);
  for (const message of stream.everything()) tab.postMessage(message);
});
