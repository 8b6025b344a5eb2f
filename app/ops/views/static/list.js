// Lists by keyboard: "/" searches, j and k move, Enter opens, x ticks. Turns arrive at the top while the list is live.
import { button, fetched, isTyping } from "./ops.js";

const EVERY_MS = 2000;
const SLOWEST_MS = 15000;
const MOST_ROWS = 200;
const NEAR_TOP_PX = 300;
const COMPARED = 2;

const rows = () => [...document.querySelectorAll(".turns tbody tr, .threads tbody tr")];
const current = () => rows().findIndex((row) => row.contains(document.activeElement));

function move(steps) {
  const all = rows();
  const next = all[Math.min(Math.max(current() + steps, 0), all.length - 1)];
  next?.querySelector("th a").focus();
}

addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  if (isTyping(event)) return;
  if (event.key === "/" && search) search.focus();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x") rows()[current()]?.querySelector("input[type=checkbox]")?.click();
  else return;
  event.preventDefault();
});

function countTicks() {
  const compare = document.querySelector("#compare button");
  if (compare) compare.disabled = document.querySelectorAll("input[form=compare]:checked").length !== COMPARED;
}
addEventListener("change", countTicks);
countTicks();

class Tail {
  constructor(box) {
    this.url = new URL(box.dataset.live, location.href);
    this.seen = Number(box.dataset.seen);
    this.body = document.querySelector(".turns tbody");
    this.status = box.querySelector("[role=status]");
    this.waiting = [];
    this.delay = EVERY_MS;
    this.live = true;
    this.toggle = button("Live", () => this.switch(!this.live), "live");
    this.toggle.setAttribute("aria-pressed", "true");
    this.toggle.title = "New turns appear on top; press to pause";
    this.show = button("", () => this.insert(), "shows");
    this.show.hidden = true;
    box.append(this.show, this.toggle);
    document.addEventListener("visibilitychange", () => this.next(0));
    this.next(EVERY_MS);
  }

  switch(on) {
    this.live = on;
    this.toggle.setAttribute("aria-pressed", String(on));
    this.status.textContent = on ? "Live again." : "Paused.";
    this.next(0);
  }

  next(delay) {
    clearTimeout(this.timer);
    if (this.live && !document.hidden) this.timer = setTimeout(() => this.poll(), delay);
  }

  async poll() {
    try {
      this.take(await fetched(this.address()));
      this.delay = EVERY_MS;
    } catch {
      this.delay = Math.min(this.delay * 2, SLOWEST_MS);
      this.status.textContent = "New turns cannot be fetched; trying again.";
    }
    this.next(this.delay);
  }

  address() {
    this.url.searchParams.set("seen", this.seen);
    const open = [...document.querySelectorAll("tr[data-unfinished]")].map((row) => row.id.slice("turn-".length));
    this.url.searchParams.set("again", open.slice(0, 50).join(","));
    return this.url;
  }

  take(page) {
    const arrived = [...page.querySelectorAll("tr[data-num]")];
    const fresh = arrived.filter((row) => !this.replace(row));
    for (const row of arrived) this.seen = Math.max(this.seen, Number(row.dataset.num));
    if (!fresh.length) return;
    this.waiting = [...fresh, ...this.waiting];
    this.status.textContent = fresh.length === 1 ? "1 new turn" : `${fresh.length} new turns`;
    const reading = scrollY > NEAR_TOP_PX || this.body?.contains(document.activeElement);
    if (reading) this.offer();
    else this.insert();
  }

  replace(row) {
    const waits = this.waiting.findIndex((other) => other.id === row.id);
    if (waits >= 0) this.waiting[waits] = row;
    const shown = document.getElementById(row.id);
    if (shown && !shown.contains(document.activeElement)) shown.replaceWith(row);
    return waits >= 0 || shown !== null;
  }

  offer() {
    this.show.hidden = false;
    this.show.textContent = `Show ${this.waiting.length} new`;
  }

  insert() {
    this.show.hidden = true;
    if (!this.body) return location.reload();
    for (const row of this.waiting) row.classList.add("fresh");
    this.body.prepend(...this.waiting);
    this.waiting = [];
    for (const row of rows().slice(MOST_ROWS)) row.remove();
    countTicks();
  }
}

for (const box of document.querySelectorAll("[data-live]")) new Tail(box);
