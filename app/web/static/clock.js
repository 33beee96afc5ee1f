// @ts-check
// The floor's time, and every duration on the page that runs with it. The service may run faster than
// the wall clock; a message says what time it is there and how fast it goes.

const root = document.documentElement.dataset;
let floorAt = Number(root.now);
let speed = Number(root.speed ?? 1);
let wallAt = wall();
let running = true;

/** Milliseconds of the wall clock, the same in every tab and worker. */
export function wall() {
  return performance.timeOrigin + performance.now();
}

/**
 * Take over the floor's time.
 * @param {number} at epoch seconds on the floor
 * @param {number} rate how many times faster than the wall clock
 * @param {number} received wall() when that was so
 */
export function sync(at, rate, received) {
  [floorAt, speed, wallAt] = [at, rate, received];
}

/** Let the page's durations run, or stand still. @param {boolean} on */
export function run(on) {
  running = on;
}

/** Epoch seconds on the floor. */
export function now() {
  return floorAt + ((wall() - wallAt) / 1000) * speed;
}

/** `4:05`, `1:02:09` or `3 d 4 h`, as the server writes it. @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  if (whole >= 2 * 86400) return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Bring every duration within `part` up to date. @param {ParentNode} part */
export function tick(part = document) {
  const at = now();
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (part.querySelectorAll("time[data-since]"))) {
    const waited = at - Number(each.dataset.since);
    const text = duration(waited);
    if (each.textContent !== text) each.textContent = text;
    if (each.dataset.target) each.classList.toggle("late", waited > Number(each.dataset.target));
  }
}

const siteTime = new Intl.DateTimeFormat("en-GB", {
  timeZone: root.zone, hour: "2-digit", minute: "2-digit", second: "2-digit",
});

/** An instant as time of day at the site. @param {number} at epoch seconds */
export function timeOfDay(at) {
  return siteTime.format(at * 1000);
}

setInterval(() => {
  const clock = document.querySelector("[data-site-clock]");
  if (clock) clock.textContent = timeOfDay(now());
  if (running) tick();
}, 500);

// A page that is just there shows durations at once; the floor sets its own clock first, and ticks again.
if (running) tick();
