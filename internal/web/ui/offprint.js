// What the page does beyond plain links and forms: runs change while one looks
// on, times are said in the reader's zone, and a click counts once.
// Every word comes from the server: what changed is fetched again as HTML.
const base = document.documentElement.dataset.base;

// Times

const sayClock = (t, now) => {
  const clock = t.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (t.toDateString() === now.toDateString()) return clock;
  const tomorrow = new Date(now);
  tomorrow.setDate(now.getDate() + 1);
  if (t.toDateString() === tomorrow.toDateString()) return `${clock} tomorrow`;
  return `${clock} on ${sayDay(t, now)}`;
};

const sayDay = (t, now) =>
  t.toLocaleDateString([], { day: "numeric", month: "short", ...(t.getFullYear() !== now.getFullYear() && { year: "numeric" }) });

const sayAgo = (t, now) => {
  const minutes = Math.floor((now - t) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (t.toDateString() === now.toDateString()) return `${Math.floor(minutes / 60)} h ago`;
  return `${sayDay(t, now)}, ${t.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
};

const say = { clock: sayClock, day: sayDay, ago: sayAgo };

function sayTimes(within) {
  const now = new Date();
  for (const el of within.querySelectorAll("time[data-as]")) {
    const t = new Date(el.dateTime);
    el.textContent = say[el.dataset.as](t, now);
    el.title = t.toLocaleString();
  }
}

// Runs

const shown = (id) => document.querySelector(`[data-run="${CSS.escape(id)}"]`);

function parse(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  sayTimes(t.content);
  return t.content.firstElementChild;
}

// A bar that stays in its place moves; a new one would begin again.
function keepBar(from, to) {
  const had = from.querySelector("progress"), has = to.querySelector("progress");
  if (!had || !has) return;
  if (has.hasAttribute("value")) had.value = has.value;
  else had.removeAttribute("value");
  has.replaceWith(had);
}

function replace(el, fresh) {
  const focused = el.contains(document.activeElement) && document.activeElement.dataset.focus;
  if (el.dataset.badge !== fresh.dataset.badge) {
    document.getElementById("spoken").textContent = `${fresh.dataset.title}: ${fresh.dataset.badge}`;
  }
  if (el.hasAttribute("data-panel")) document.title = `${fresh.dataset.badge}: ${fresh.dataset.title} · Offprint`;
  keepBar(el, fresh);
  el.replaceWith(fresh);
  lookSoon(fresh);
  if (focused) (fresh.querySelector(`[data-focus="${focused}"]`) ?? fresh.querySelector("[data-focus]"))?.focus();
}

const fetching = new Set(), again = new Set();

async function refresh(id) {
  if (fetching.has(id)) return again.add(id);
  fetching.add(id);
  try {
    const el = shown(id), part = el?.hasAttribute("data-panel") ? "panel" : "card";
    const answer = await fetch(`${base}/runs/${id}?part=${part}`);
    if (answer.status === 404) return shown(id)?.remove();
    if (!answer.ok) return;
    const fresh = parse(await answer.text());
    const now = shown(id);
    if (now) replace(now, fresh);
    else add(fresh);
  } catch {
    // Offline: the stream comes back by itself and says everything again.
  } finally {
    fetching.delete(id);
    if (again.delete(id)) refresh(id);
  }
}

// A notice is mostly delivered a moment after the end, which is no change of the run.
function lookSoon(el) {
  if (el.dataset.telling === "now" && !document.hidden) setTimeout(() => refresh(el.dataset.run), 1500);
}

function add(fresh) {
  const list = document.querySelector("[data-newest]");
  if (!list) return;
  const older = [...list.children].find((el) => el.dataset.run < fresh.dataset.run);
  list.insertBefore(fresh, older ?? null);
  document.querySelector("[data-empty]")?.setAttribute("hidden", "");
}

// A run that is older than all this and not on the page stands on a later one.
const newestAtFirst = document.querySelector("[data-newest]")?.firstElementChild?.dataset.run ?? "";

function heard(run) {
  const el = shown(run.id);
  if (el) {
    if (run.revision > Number(el.dataset.revision)) refresh(run.id);
  } else if (document.querySelector("[data-newest]") && run.id > newestAtFirst) {
    refresh(run.id);
  }
}

let stream;

function listen() {
  if (stream || !document.querySelector("[data-live]")) return;
  stream = new EventSource(`${base}/v1/events`);
  stream.addEventListener("run", (e) => heard(JSON.parse(e.data)));
}

// A browser has few connections to a server; a page that nobody sees holds
// none, unless its title is to tell of the one run that it waits for.
const awaited = () => document.querySelector("[data-panel]:is([data-state=queued], [data-state=running])");

function mute() {
  stream?.close();
  stream = undefined;
}

// Places in line move, and time passes, without any change of the run itself.
function refreshOpen() {
  if (document.hidden) return;
  for (const el of document.querySelectorAll('[data-state="queued"], [data-state="running"], [data-telling]')) refresh(el.dataset.run);
}

// Forms

const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

async function send(form) {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok) return form.submit(); // the answer is a page that says what is wrong
    if (form.elements.key) form.elements.key.value = newKey();
    const id = form.closest("[data-run]")?.dataset.run;
    if (id) await refresh(id);
  } catch {
    // Offline: the button stays, and with it the key, so that clicking again is the same click.
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (e) => {
  const form = e.target;
  if (form.dataset.sure && !confirm(form.dataset.sure)) return e.preventDefault();
  if (form.hasAttribute("data-quiet")) {
    e.preventDefault();
    return send(form);
  }
  if (form.dataset.sent) return e.preventDefault();
  form.dataset.sent = "yes";
  if (form.hasAttribute("data-download")) setTimeout(() => delete form.dataset.sent, 3000); // the page stays
});

// Copying a link

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // without TLS there is no clipboard
    }
    button.textContent = "Copied";
    document.getElementById("spoken").textContent = "Copied";
  });
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function readyForms() {
  for (const form of document.forms) {
    delete form.dataset.sent;
    if (form.elements.key) form.elements.key.value = newKey();
    if (form.elements.time_zone) form.elements.time_zone.value = zone;
  }
}

// The days of "last month" are the reader's.
if (zone) document.cookie = `offprint_zone=${zone}; path=${base}/; max-age=31536000; samesite=strict`;

// Whoever writes a report sees it as soon as it is saved.
const { watches, state } = document.documentElement.dataset;

async function watch() {
  if (document.hidden) return;
  try {
    const answer = await fetch(watches);
    if (answer.ok && (await answer.text()) !== state) location.reload();
  } catch {
    // The server is started again: it will answer.
  }
}

if (watches) setInterval(watch, 400);

window.addEventListener("pageshow", readyForms);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden || awaited()) listen();
  else if (!awaited()) mute();
});
window.addEventListener("pagehide", mute);
setInterval(() => sayTimes(document), 30000);
setInterval(refreshOpen, 10000);
sayTimes(document);
readyForms();
document.querySelectorAll("[data-telling]").forEach(lookSoon);
document.querySelector('[aria-invalid="true"]')?.focus();
if (!document.hidden || awaited()) listen();
