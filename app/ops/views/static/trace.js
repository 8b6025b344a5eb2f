// Steps open where they stand, branches fold, arrows move. A trace that is still running is drawn anew as it grows.
import { button, fetched, isTyping } from "./ops.js";

const EVERY_MS = 2000;

const nodeOf = (element) => element.closest(".node");
const rowLink = (node) => node.querySelector(":scope > .row a.open");
const branch = (node) => node.querySelector(":scope > ul");
const visible = () => [...document.querySelectorAll(".steps a.open, .steps .rest a")].filter((link) => link.offsetParent);

async function load(link) {
  const page = await fetched(link.dataset.under);
  const first = link.parentElement.parentElement;
  link.parentElement.replaceWith(...page.querySelector("ul").children);
  addCopies(first);
  return first;
}

async function fold(node, open) {
  const list = branch(node);
  if (!list) return;
  list.hidden = !open;
  node.querySelector(".fold").setAttribute("aria-expanded", String(open));
  const rest = list.querySelector(":scope > .rest a");
  if (open && rest && !list.querySelector(":scope > .node")) await load(rest);
}

async function toggleDetail(node, open = null) {
  const link = rowLink(node);
  let detail = node.querySelector(":scope > .detail");
  if (!detail) {
    detail = document.createElement("div");
    detail.className = "detail";
    const page = await fetched(`${link.getAttribute("href")}?part=1`);
    detail.append(...page.body.children);
    addCopies(detail);
    node.querySelector(":scope > .row").after(detail);
    detail.hidden = true;
  }
  detail.hidden = open === null ? !detail.hidden : !open;
  link.setAttribute("aria-expanded", String(!detail.hidden));
}

async function reveal(id) {
  const node = document.getElementById(id);
  if (!node?.classList.contains("node")) return false;
  for (let above = nodeOf(node.parentElement); above; above = nodeOf(above.parentElement)) await fold(above, true);
  await toggleDetail(node, true);
  node.scrollIntoView();
  rowLink(node).focus({ preventScroll: true });
  return true;
}

function addCopies(within) {
  for (const box of within.querySelectorAll(".copied")) {
    const copy = button("Copy", async () => {
      await navigator.clipboard.writeText([...box.querySelectorAll("pre")].at(-1).textContent);
      copy.textContent = "Copied";
    });
    box.prepend(copy);
  }
}

function isPlainClick(event) {
  return !(event.button || event.ctrlKey || event.metaKey || event.shiftKey);
}

addEventListener("click", async (event) => {
  const link = event.target.closest(".steps a.open, .steps .rest a, a[data-step], .steps .fold");
  if (!link || !isPlainClick(event)) return;
  if (link.dataset.step && !document.getElementById(link.dataset.step)) return;
  event.preventDefault();
  try {
    if (link.matches(".fold")) await fold(nodeOf(link), branch(nodeOf(link)).hidden);
    else if (link.dataset.step) await reveal(link.dataset.step);
    else if (link.dataset.under) (await load(link)).querySelector(":scope > .node:last-of-type a.open")?.focus();
    else await toggleDetail(nodeOf(link));
  } catch {
    if (link.href) location.href = link.href;
  }
});

const inward = async (node) => {
  if (branch(node)?.hidden) await fold(node, true);
  else branch(node)?.querySelector("a.open")?.focus();
};
const outward = async (node) => {
  if (branch(node) && !branch(node).hidden) await fold(node, false);
  else nodeOf(node.parentElement)?.querySelector("a.open").focus();
};

addEventListener("keydown", async (event) => {
  const link = event.target.closest(".steps a");
  if (!link || isTyping(event)) return;
  const all = visible();
  const at = all.indexOf(link);
  const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, j: at + 1, k: at - 1 };
  if (event.key in moves) all[moves[event.key]]?.focus();
  else if (event.key === "ArrowRight" && nodeOf(link)) await inward(nodeOf(link));
  else if (event.key === "ArrowLeft" && nodeOf(link)) await outward(nodeOf(link));
  else return;
  event.preventDefault();
});

/** Put what the reader has opened back into a tree that was drawn anew. */
function keepOpen(old, fresh) {
  for (const detail of old.querySelectorAll(".node > .detail")) {
    const node = fresh.querySelector(`[id="${nodeOf(detail).id}"]`);
    node?.querySelector(":scope > .row").after(detail);
  }
  for (const folded of old.querySelectorAll(".node > ul[hidden]")) {
    const list = fresh.querySelector(`[id="${nodeOf(folded).id}"] > ul`);
    if (list) list.hidden = true;
  }
}

async function refresh() {
  try {
    const page = document.hidden ? null : await fetched(location.pathname);
    for (const part of page ? document.querySelectorAll("[data-refresh]") : []) {
      const fresh = page.getElementById(part.id);
      if (!fresh || part.contains(document.activeElement)) continue;
      keepOpen(part, fresh);
      part.replaceChildren(...fresh.childNodes);
    }
    if (page && !page.querySelector("[data-running]")) return;
  } catch {
    // The server may be starting anew; the next try tells.
  }
  setTimeout(refresh, EVERY_MS);
}

async function openLinked() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id.startsWith("run-")) return;
  if (!(await reveal(id))) location.replace(`${location.pathname}/steps/${id.slice("run-".length)}`);
}

addCopies(document);
addEventListener("hashchange", openLinked);
openLinked();
if (document.querySelector("[data-running]")) setTimeout(refresh, EVERY_MS);
