// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps a page as the server has it. The server owns every state and renders every word: this script asks for the
// page again when the live topic says that something changed, and puts in the regions that differ. What a
// person is typing stays, because a region whose text is the same is never touched.

const live = document.querySelector('meta[name="live"]');
const gapMs = Number(live.dataset.gapMs);
const SESSION_OVER = 4401;
const PATIENCE_MS = 2000;

let shown = regionsOf(document);
let number = Number(live.dataset.number);
let asking = false;
let again = false;
let retryMs = 500;

function regionsOf(page) {
  const all = [...page.querySelectorAll("[data-region]")];
  return new Map(all.map((region) => [region.dataset.region, region.innerHTML]));
}

const regionOf = (page, name) => page.querySelector(`[data-region="${name}"]`);

// Where the keyboard was goes with what it was in: else it would fall out of the page.
function keepingFocus(place, replace) {
  const inside = place.contains(document.activeElement) && document.activeElement !== place;
  replace();
  if (inside) {
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
  }
}

// Puts `page` in the place of what is shown. An alert stays until the person's next order is answered.
function put(page, { order }) {
  const fresh = regionsOf(page);
  if (!fresh.has("status") && !fresh.has("summary")) {
    // Not this page: an error that came instead of it.
    const alert = regionOf(page, "alert");
    if (alert) regionOf(document, "alert").innerHTML = alert.innerHTML;
    return;
  }
  if ([...fresh.keys()].join() !== [...shown.keys()].join()) {
    const [mine, theirs] = [document.querySelector("main"), page.querySelector("main")];
    mine.className = theirs.className;
    keepingFocus(mine, () => mine.replaceChildren(...document.importNode(theirs, true).childNodes));
  }
  for (const [name, html] of fresh) {
    if (name === "alert" && !order) {
      fresh.set(name, shown.get(name));
    } else if (html !== shown.get(name)) {
      const region = regionOf(document, name);
      keepingFocus(region, () => (region.innerHTML = html));
    }
  }
  shown = fresh;
  tick();
}

const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

// Asks for the page. What changes meanwhile makes it ask once more; not more often than every `gapMs`.
async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  let waitMs = gapMs;
  try {
    const answer = await fetch(`/${location.pathname.split("/")[1]}`);
    if (answer.redirected) {
      location.assign(answer.url);
      return;
    }
    if (!answer.ok) throw new Error(answer.status);
    put(parsed(await answer.text()), { order: false });
    lost(false);
  } catch {
    lost(true);
    again = true;
    waitMs = PATIENCE_MS;
  }
  setTimeout(() => {
    asking = false;
    if (again) {
      again = false;
      refresh();
    }
  }, waitMs);
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
    else put(parsed(await answer.text()), { order: true });
  } catch {
    lost(true);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
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
    if (retryMs > 500) refresh();
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
