// Without this file every page works with forms; with it, links are copied, and queues and comparisons follow keys.
const typing = (target) => target.closest("textarea, select, input:not([type=radio]):not([type=checkbox])");
const plainKey = (event) => !(event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented);

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(field.value);
    button.closest("section").querySelector("[data-copied]").textContent = "Copied.";
  });
}

function followSteps(steps) {
  const near = () => steps.findIndex((step) => step.contains(document.activeElement));
  document.addEventListener("keydown", (event) => {
    const way = { j: 1, k: -1 }[event.key];
    if (!way || !plainKey(event) || typing(event.target)) return;
    const next = steps[near() + way] ?? (near() < 0 ? steps[0] : undefined);
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "start" });
    } else {
      document.querySelector(way > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
    }
  });
}

class Review {
  constructor(form) {
    this.form = form;
    this.questions = [...form.querySelectorAll("[data-question]")];
    this.answered = [];
    this.mark(Math.max(0, this.questions.findIndex((one) => !this.hasAnswer(one))));
    this.questions.forEach((question, place) => question.addEventListener("focusin", () => this.mark(place, false)));
    document.addEventListener("keydown", (event) => this.press(event));
  }

  hasAnswer(question) {
    return question.querySelector("input:checked, input:not([type=radio]):not(:placeholder-shown)[value]:not([value=''])");
  }

  mark(place, focus = true) {
    this.place = Math.min(Math.max(place, 0), this.questions.length - 1);
    this.questions.forEach((one, number) => one.toggleAttribute("data-marked", number === this.place));
    if (focus) this.questions[this.place]?.querySelector("input:checked, input")?.focus();
  }

  press(event) {
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return this.form.requestSubmit();
    if (!plainKey(event) || typing(event.target)) return;
    const verbs = {
      c: () => document.getElementById("comment").focus(),
      s: () => document.getElementById("skip").requestSubmit(),
      u: () => this.undo(),
      ArrowDown: () => this.mark(this.place + 1),
      ArrowUp: () => this.mark(this.place - 1),
    };
    const onButton = event.target.closest("a, button, summary");
    const verb = event.key === "Enter" && !onButton ? () => this.form.requestSubmit() : verbs[event.key];
    if (verb) {
      event.preventDefault();
      verb();
    } else if (/^[1-9]$/.test(event.key)) {
      this.choose(Number(event.key));
    }
  }

  choose(number) {
    const choice = this.questions[this.place]?.querySelectorAll("input[type=radio]")[number - 1];
    if (!choice) return;
    choice.checked = true;
    this.answered.push(this.place);
    this.say(`${this.questions[this.place].querySelector("legend").firstChild.textContent.trim()}: ${choice.parentElement.lastChild.textContent.trim()}`);
    if (this.place + 1 < this.questions.length) this.mark(this.place + 1);
    else choice.focus();
  }

  undo() {
    if (!this.answered.length) return document.getElementById("undo")?.requestSubmit();
    this.mark(this.answered.pop());
    for (const input of this.questions[this.place].querySelectorAll("input:checked")) input.checked = false;
    this.say("Taken back.");
  }

  say(sentence) {
    document.getElementById("status").textContent = sentence;
  }
}

const steps = [...document.querySelectorAll("[data-step]")];
if (steps.length) followSteps(steps);
const review = document.getElementById("review");
if (review) new Review(review);
else if (document.getElementById("undo"))
  document.addEventListener("keydown", (event) => {
    if (event.key === "u" && plainKey(event) && !typing(event.target)) document.getElementById("undo").requestSubmit();
  });
