// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps a page as the server has it. The server owns every state and renders every word: this script asks for the
// page again when the live topic says that something changed, and puts in the regions that differ. What a
// person is typing stays, because a region whose text is the same is never touched.

const live = document.querySelector('meta[name="live"]');
const gapMs = Number(live.dataset.gapMs);
const SESSION_OVER = 4401;

let shown = regionsOf(document);
let number = Number(live.dataset.number);
let asking = false;
let stale = false;
let retryMs = 500;

function regionsOf(page) {
  const all = [...page.querySelectorAll("[data-region]")];
  return new Map(all.map((region) => [region.dataset.region, region.innerHTML]));
}

// Puts `page` in the place of what is shown. An alert stays until the person's next order is answered.
function put(page, { order }) {
  const fresh = regionsOf(page);
  if (fresh.size < 2) {
    location.reload();
    return;
  }
  if ([...fresh.keys()].join() !== [...shown.keys()].join()) {
    const held = document.activeElement?.id;
    const [mine, theirs] = [document.querySelector("main"), page.querySelector("main")];
    mine.className = theirs.className;
    mine.replaceChildren(...theirs.childNodes);
    if (held) document.getElementById(held)?.focus();
  }
  for (const [name, html] of fresh) {
    const region = document.querySelector(`[data-region="${name}"]`);
    if (name === "alert" && !order) fresh.set(name, shown.get(name));
    else if (html !== shown.get(name)) region.innerHTML = html;
  }
  shown = fresh;
  tick();
}

function parse(text) {
  return new DOMParser().parseFromString(text, "text/html");
}

// Asks for the page; what changes meanwhile makes it ask once more, not at once for each change.
async function refresh() {
  if (asking) {
    stale = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.pathname === "/" ? "/" : `/${location.pathname.split("/")[1]}`);
    if (answer.redirected) location.assign(answer.url);
    else if (answer.ok) put(parse(await answer.text()), { order: false });
  } catch {
    stale = true;
  }
  setTimeout(() => {
    asking = false;
    if (stale) {
      stale = false;
      refresh();
    }
  }, gapMs);
}

// An order: the same form a browser without this script would send, with a key so that it is done once.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || form.closest(".who")) return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  const buttons = [...document.querySelectorAll("button:not(:disabled)")];
  buttons.forEach((button) => (button.disabled = true));
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: fields,
      headers: { "Idempotency-Key": crypto.randomUUID() },
    });
    const path = new URL(answer.url).pathname;
    if (path === "/login" || path === "/password") location.assign(path);
    else if (path === "/call" && location.pathname === "/") location.assign(path);
    else put(parse(await answer.text()), { order: true });
  } catch {
    lost(true);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
});

function lost(is) {
  document.getElementById("lost").hidden = !is;
}

function listen() {
  const address = new URL("/api/v1/live", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = new URLSearchParams({ topic: live.content, after: number });
  const socket = new WebSocket(address);
  socket.onopen = () => {
    lost(false);
    retryMs = 500;
  };
  socket.onmessage = (message) => {
    number = JSON.parse(message.data).number;
    refresh();
  };
  socket.onclose = (end) => {
    if (end.code === SESSION_OVER) {
      location.assign("/login");
      return;
    }
    if (retryMs > 500) lost(true);
    setTimeout(listen, retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, 10_000);
  };
}

// Times that run on by themselves: how long a state lasts, and the clock at the customer's place.
function tick() {
  const now = performance.now();
  for (const timer of document.querySelectorAll("[data-elapsed]")) {
    timer.began ??= now - Number(timer.dataset.elapsed) * 1000;
    const s = Math.floor((now - timer.began) / 1000);
    const two = (value) => String(value).padStart(2, "0");
    const hours = s >= 3600 ? `${Math.floor(s / 3600)}:` : "";
    timer.textContent = `${hours}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  }
  for (const clock of document.querySelectorAll("[data-zone]")) {
    clock.textContent = new Date().toLocaleTimeString("en-GB", {
      timeZone: clock.dataset.zone,
      hour: "2-digit",
      minute: "2-digit",
    });
  }
}

tick();
setInterval(tick, 500);
listen();
