// What Chainlit's page lacks: names for icon buttons, a live region for answers, reasons beside a thumbs-down.
(() => {
  "use strict";

  const NAMES = {
    ".positive-feedback-off": "This answer helped",
    ".positive-feedback-on": "Undo: this answer helped",
    ".negative-feedback-off": "Something is wrong with this answer",
    ".negative-feedback-on": "Undo: something is wrong with this answer",
    "#chat-submit": "Send",
    "#stop-button": "Stop the answer",
    "#new-chat-button": "New chat",
    "#sidebar-trigger-button": "Show or hide past chats",
    "#user-nav-button": "Account",
    "#theme-toggle": "Light or dark",
    "#readme-button": "About Parley",
    "#side-view-title button": "Close the source",
  };

  // Must match app/chat/feedback.py, which reads the reason back from the comment's first line.
  const REASONS = [
    "The cited source doesn't say this",
    "The answer is wrong or out of date",
    "It misses what I asked",
    "It should have found something",
    "Other",
  ];

  function nameButtons() {
    for (const [selector, name] of Object.entries(NAMES)) {
      for (const element of document.querySelectorAll(selector)) {
        if (element.getAttribute("aria-label") !== name) element.setAttribute("aria-label", name);
      }
    }
    for (const button of document.querySelectorAll("button:not([aria-label])")) {
      const icon = button.querySelector("svg");
      if (icon && !button.textContent.trim()) {
        button.setAttribute("aria-label", (icon.getAttribute("class") || "button").replace(/.*lucide-([\w-]+).*/, "$1"));
      }
    }
    for (const link of document.querySelectorAll("a.element-link:not([aria-label])")) {
      link.setAttribute("aria-label", `Open source ${link.textContent.trim()}`);
    }
  }

  function markRegions() {
    const input = document.querySelector("#chat-input");
    if (input && !input.getAttribute("aria-label")) input.setAttribute("aria-label", "Your question");
    const log = document.querySelector(".message-content")?.closest("[class*='overflow-y-auto']");
    if (log && log.getAttribute("role") !== "log") {
      log.setAttribute("role", "log");
      log.setAttribute("aria-live", "polite");
      log.setAttribute("aria-label", "Conversation");
    }
  }

  function setComment(textarea, text) {
    const setter = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
    setter.call(textarea, text);
    textarea.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function withReason(comment, reason) {
    const [first, ...rest] = comment.split("\n");
    const body = REASONS.some((known) => first === `${known}:`) ? rest.join("\n") : comment;
    return `${reason}:\n${body}`;
  }

  function offerReasons() {
    const submit = document.querySelector("#submit-feedback");
    const dialog = submit?.closest("[role='dialog']");
    const textarea = dialog?.querySelector("textarea");
    if (!textarea || dialog.querySelector(".parley-reasons")) return;
    textarea.setAttribute("aria-label", "Comment (optional)");
    if (!dialog.querySelector("svg.lucide-thumbs-down")) return;
    const group = document.createElement("fieldset");
    group.className = "parley-reasons";
    const legend = document.createElement("legend");
    legend.textContent = "What is wrong?";
    group.append(legend);
    for (const reason of REASONS) {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      radio.type = "radio";
      radio.name = "parley-reason";
      radio.addEventListener("change", () => setComment(textarea, withReason(textarea.value, reason)));
      label.append(radio, reason);
      group.append(label);
    }
    textarea.before(group);
  }

  function refresh() {
    nameButtons();
    markRegions();
    offerReasons();
  }

  let scheduled = false;
  new MutationObserver(() => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      refresh();
    });
  }).observe(document.documentElement, { childList: true, subtree: true });
  refresh();
})();
