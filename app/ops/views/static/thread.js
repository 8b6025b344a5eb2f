// A conversation by keyboard: j and k move from turn to turn, Enter opens the trace, r replays it from the first turn.
import { button, isTyping } from "./ops.js";

const turns = [...document.querySelectorAll(".exchanges > li")];
const box = document.querySelector("[data-replay]");
let shown = turns.length;

const status = document.createElement("span");
status.setAttribute("role", "status");
status.className = "meta";
const start = button("Replay", () => (shown < turns.length ? end() : replay()));
if (turns.length > 1) box.append(start, status);

function show(count) {
  shown = Math.min(Math.max(count, 1), turns.length);
  turns.forEach((turn, at) => (turn.hidden = at >= shown));
  start.textContent = shown < turns.length ? "End the replay" : "Replay";
  status.textContent = shown < turns.length ? `Turn ${shown} of ${turns.length}; → for the next` : "";
  go(shown - 1);
}

const replay = () => show(1);
const end = () => show(turns.length);

function go(at) {
  turns[at]?.focus({ preventScroll: true });
  turns[at]?.scrollIntoView({ block: "nearest" });
}

function move(steps) {
  if (shown < turns.length) return show(shown + steps);
  const at = turns.findIndex((turn) => turn.contains(document.activeElement));
  go(Math.min(Math.max(at + steps, 0), turns.length - 1));
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  r: replay,
  ArrowRight: () => shown < turns.length && move(1),
  ArrowLeft: () => shown < turns.length && move(-1),
  Escape: end,
  Enter: () => document.activeElement.matches(".exchanges > li") && document.activeElement.querySelector("a[href*='/turns/']").click(),
};
addEventListener("keydown", (event) => {
  if (isTyping(event) || !(event.key in keys)) return;
  if (keys[event.key]() !== false) event.preventDefault();
});
