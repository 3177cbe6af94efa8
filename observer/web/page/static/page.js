// Keeps what is shown fresh: a tick on the stream -> the live parts of this page are asked for and those that differ are
// exchanged. Open details and the focus stay where they are. Without this script every page reads the same, once.
"use strict";
(() => {
  const sign = document.getElementById("live");
  const main = document.getElementById("main");
  let tag = "", asking = false, again = false;
  const shown = new Map();

  function say(text, look) {
    if (sign.textContent !== text) sign.textContent = text;
    sign.className = "live " + look;
  }

  function exchange(old, fresh) {
    const open = new Set([...old.querySelectorAll("details[open]")].map((one) => one.id));
    const focused = old.contains(document.activeElement) ? place(old, document.activeElement) : null;
    const scrolled = [...old.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
    old.replaceChildren(...fresh.childNodes);
    old.className = fresh.className;
    for (const id of open) {
      const one = id && document.getElementById(id);
      if (one) one.open = true;
    }
    old.querySelectorAll(".scroll").forEach((one, i) => {
      if (scrolled[i]) [one.scrollLeft, one.scrollTop] = scrolled[i];
    });
    const target = focused && find(old, focused);
    if (target) target.focus({ preventScroll: true });
  }

  // Where an element stands, by what stays the same when rows move: its address, its name, else its number.
  function place(root, element) {
    const kind = element.tagName.toLowerCase();
    const like = element.id ? ["id", element.id] : element.getAttribute("href") ? ["href", element.getAttribute("href")] : null;
    return { kind, like, number: [...root.querySelectorAll(kind)].indexOf(element) };
  }

  function find(root, { kind, like, number }) {
    const all = [...root.querySelectorAll(kind)];
    return (like && all.find((one) => one.getAttribute(like[0]) === like[1])) || (like ? null : all[number]);
  }

  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const headers = { "X-Live": "1" };
      if (tag) headers["If-None-Match"] = tag;
      const answer = await fetch(location.href, { headers, credentials: "same-origin", redirect: "error" });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        take(await answer.text());
      }
      if (answer.status === 200 || answer.status === 304) say("live", "on");
      else say("not shown: HTTP " + answer.status, "off");
    } catch {
      say("no connection", "off");
    }
    asking = false;
    if (again) { again = false; refresh(); }
  }

  function take(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    let changed = false;
    for (const one of fresh.querySelectorAll("[data-live]")) {
      const old = document.getElementById(one.id);
      const html = one.innerHTML;
      if (!old || shown.get(one.id) === html) continue;
      shown.set(one.id, html);
      exchange(old, one);
      changed = true;
    }
    if (changed) document.dispatchEvent(new Event("observer:fresh"));
  }

  function listen() {
    const stream = new EventSource("/api/v1/stream");
    let late = false;
    const due = () => { if (document.hidden) late = true; else refresh(); };
    stream.addEventListener("tick", due);
    stream.addEventListener("reset", due);
    stream.addEventListener("open", () => say("live", "on"));
    stream.addEventListener("error", () => {
      say("no connection", "off");
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => { stream.close(); listen(); }, 10000);
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && late) { late = false; refresh(); } });
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    const search = document.querySelector("[data-search]");
    if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
  if (document.body.hasAttribute("data-live-page") && main) listen();
})();
