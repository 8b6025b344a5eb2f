// What Chainlit's page lacks: an introduction, names for icon buttons, a live region for answers, sources that open
// when asked for, reasons beside a thumbs-down, and questions that aren't lost.
(() => {
  "use strict";

  const questionLimit = Number(document.currentScript.dataset.questionLimit);

  // Follow the system's light or dark until the user picks one.
  const THEME = "vite-ui-theme";
  if (!localStorage.getItem(THEME)) localStorage.setItem(THEME, "system");

  // Whether somebody is signed in is for the server to say. While it restarts it says nothing, which Chainlit would take
  // for a no.

  const RETRY_MS = 1000;
  const browserFetch = window.fetch;

  async function whoIsSignedIn(...request) {
    for (;;) {
      const answer = await browserFetch(...request).catch(() => null);
      if (answer && answer.status < 500) return answer;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  window.fetch = (resource, ...options) =>
    new URL(resource.url ?? resource, location).pathname === "/user"
      ? whoIsSignedIn(resource, ...options)
      : browserFetch(resource, ...options);

  // There is one page to sign in on, and it is not Chainlit's. It leads back to where its reader was.

  const PLACE = "parley-place";
  let leaving = false;

  function keepPlace() {
    if (location.pathname !== "/login") sessionStorage.setItem(PLACE, location.pathname + location.search);
  }

  async function leaveForSignin() {
    if (location.pathname !== "/login" || leaving) return;
    leaving = true;
    const back = sessionStorage.getItem(PLACE) ?? "/";
    const signedIn = (await whoIsSignedIn("/user")).ok;
    location.replace(signedIn ? back : `/signin?next=${encodeURIComponent(back)}`);
  }

  const find = (selector) => document.querySelector(selector);

  function make(tag, attributes, ...children) {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  }

  function setValue(textarea, text) {
    const setter = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
    setter.call(textarea, text); // React overrides the element's own setter and would not notice.
    textarea.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Start page

  function introduce() {
    const logo = find("#welcome-screen > img.logo");
    if (!logo || find(".parley-intro")) return;
    logo.alt = "Parley";
    logo.after(
      make(
        "section",
        { className: "parley-intro", ariaLabel: "About Parley" },
        make("h1", {}, "Ask your organisation's documents"),
        make(
          "p",
          {},
          "Parley answers from the documents it was given and shows the passage behind each claim. ",
          "It knows nothing beyond them and it can be wrong: open the numbered source.",
        ),
        make(
          "p",
          { className: "parley-kept" },
          "Your questions and answers are kept so that you can come back to them, and, under a pseudonym, ",
          "so that your team can make the answers better. Card numbers and passwords are removed first.",
        ),
      ),
    );
  }

  // Names and regions

  const NAMES = {
    ".positive-feedback-off": "This answer helped",
    ".positive-feedback-on": "Undo: this answer helped",
    ".negative-feedback-off": "Something is wrong with this answer",
    ".negative-feedback-on": "Undo: something is wrong with this answer",
    "button:has(> .lucide-message-circle)": "Change your comment",
    "button:has(> .lucide-copy)": "Copy the answer",
    "button:has(> .lucide-arrow-down)": "Go to the newest message",
    "#chat-submit": "Send",
    "#stop-button": "Stop the answer",
    "#new-chat-button": "New chat",
    "#search-chats-button": "Search past chats",
    "#sidebar-trigger-button": "Show or hide past chats",
    "#user-nav-button": "Account",
    "#theme-toggle": "Light or dark",
    "#side-view-title button": "Close the source",
    "#chat-input": "Your question",
    "aside:has(#side-view-content)": "Source",
  };

  function nameThings() {
    for (const [selector, name] of Object.entries(NAMES)) {
      for (const element of document.querySelectorAll(selector)) {
        if (element.ariaLabel !== name) element.ariaLabel = name;
      }
    }
    for (const link of document.querySelectorAll("a.element-link")) link.ariaLabel = `Open source ${link.textContent}`;
  }

  function markConversation() {
    const log = find("#welcome-screen, .message-content")?.closest(".overflow-y-auto");
    if (log && log.role !== "log") Object.assign(log, { role: "log", ariaLive: "polite", ariaLabel: "Conversation" });
  }

  // Sources. Chainlit opens the side panel by itself whenever an answer brings sources, with all of the thread's.

  let opened = null; // The message, and which of its links the user followed. The link itself is redrawn at any time.

  const linksIn = (message) => [...document.querySelectorAll(`#${message} a.element-link`)];
  const openedLink = () => opened && linksIn(opened.message)[opened.index];

  function closePanel() {
    const dialog = find("#side-view-content").closest("[role='dialog']");
    (dialog ? dialog.querySelector(":scope > button") : find("#side-view-title button")).click();
  }

  function keepPanel() {
    const content = find("#side-view-content");
    const link = openedLink();
    if (!content) {
      link?.focus();
      opened = null;
    } else if (!link) {
      closePanel();
    } else if (content.children.length > 1) {
      link.click();
    }
  }

  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest("a.element-link");
      if (!link) return;
      event.preventDefault(); // The link leads to "#".
      const message = link.closest("[id^='step-']").id;
      opened = { message, index: linksIn(message).indexOf(link) };
      if (event.isTrusted) requestAnimationFrame(() => find("#side-view-title button")?.focus());
    },
    true,
  );

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && find("aside #side-view-content") && !find("[role='dialog']")) closePanel();
  });

  // Questions that are too long stay where they are typed; those that the server refuses come back there. Chainlit
  // draws a new box when a thread begins, and would lose what stands in the old one.

  let box = null;
  let draft = "";

  function keepDraft() {
    const input = find("#chat-input");
    if (input === box) return;
    box = input;
    if (box && draft && !box.value) setValue(box, draft);
  }

  function giveBack() {
    draft = [...document.querySelectorAll("[data-step-type='user_message'] .message-content")].at(-1)?.textContent ?? "";
    if (box && !box.value) setValue(box, draft);
  }

  function tooLong() {
    return box.value.length > questionLimit && [...box.value].length > questionLimit;
  }

  function showLimit() {
    const shown = find(".parley-limit");
    if (!tooLong()) return shown?.remove();
    const [length, limit] = [[...box.value].length, questionLimit].map((number) => number.toLocaleString());
    const text = `Your question has ${length} characters; the limit is ${limit}. Shorten it to send it.`;
    if (shown) shown.textContent = text;
    else find("#message-composer").after(make("p", { className: "parley-limit", role: "alert" }, text));
  }

  function sends(event) {
    if (event.type === "click") return event.target.closest("#chat-submit");
    return event.target === box && event.key === "Enter" && !event.shiftKey && !event.isComposing;
  }

  function beforeSending(event) {
    if (sends(event) && tooLong()) {
      event.preventDefault();
      event.stopPropagation();
    } else if (sends(event) || (event.type === "click" && !event.target.closest("#message-composer"))) {
      draft = "";
    }
  }

  // Until Chainlit's page is connected, it takes no question and forgets that Enter was pressed.

  const CONNECTING_MS = 100;
  let connecting = null;

  function sendOnceConnected(event) {
    if (!sends(event) || !box.value.trim() || tooLong() || !find("#chat-submit")?.disabled) return;
    clearInterval(connecting);
    connecting = setInterval(sendIfConnected, CONNECTING_MS, event.target.value);
  }

  function sendIfConnected(question) {
    const send = find("#chat-submit");
    if (box?.value === question && send?.disabled) return;
    clearInterval(connecting);
    if (box?.value === question) send?.click();
  }

  document.addEventListener("click", beforeSending, true);
  document.addEventListener("keydown", beforeSending, true);
  document.addEventListener("keydown", sendOnceConnected, true);
  document.addEventListener("input", (event) => {
    if (event.target !== box) return;
    draft = box.value;
    showLimit();
  });
  addEventListener("message", (event) => {
    if (event.source === window && event.data?.parley === "refused") giveBack();
  });

  // Reasons beside a thumbs-down. They must match app/chat/feedback.py, which finds the reason in the first line.

  const REASONS = [
    "The cited source doesn't say this",
    "The answer is wrong or out of date",
    "It misses what I asked",
    "It should have found something",
    "Other",
  ];

  const reasonOf = (comment) => REASONS.find((reason) => comment.split("\n")[0] === `${reason}:`);

  function withReason(comment, reason) {
    const words = reasonOf(comment) ? comment.split("\n").slice(1).join("\n") : comment;
    return `${reason}:\n${words}`;
  }

  function offerReasons() {
    const dialog = find("#submit-feedback")?.closest("[role='dialog']");
    const textarea = dialog?.querySelector("textarea");
    if (!textarea || textarea.ariaLabel) return;
    textarea.ariaLabel = "Comment (optional)";
    if (!dialog.querySelector(".lucide-thumbs-down")) return;
    const group = reasons(textarea);
    textarea.before(group);
    (group.querySelector(":checked") ?? group.querySelector("input")).focus();
  }

  function reasons(textarea) {
    const group = make("fieldset", { className: "parley-reasons" }, make("legend", {}, "What is wrong?"));
    for (const reason of REASONS) {
      const radio = make("input", { type: "radio", name: "parley-reason", checked: reasonOf(textarea.value) === reason });
      radio.addEventListener("change", () => setValue(textarea, withReason(textarea.value, reason)));
      group.append(make("label", {}, radio, reason));
    }
    return group;
  }

  // Chainlit's page is redrawn at any time. The panel and the box are put right before they are painted, the rest once a
  // frame.

  let scheduled = false;
  new MutationObserver(() => {
    keepPanel();
    keepDraft();
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      keepPlace();
      leaveForSignin();
      introduce();
      nameThings();
      markConversation();
      offerReasons();
    });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
