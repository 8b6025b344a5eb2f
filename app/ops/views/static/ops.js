// Without this file every page works; with it, times are the reader's own and linked parts are open.
export function localTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent + " UTC";
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}

/** The elements of a fragment that the server renders; throws where it doesn't answer with one. */
export async function fetched(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(`${url}: ${answer.status}`);
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  localTimes(parsed);
  return parsed;
}

export const isTyping = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea") !== null;

export function button(text, onPress, className = "quiet") {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  made.addEventListener("click", onPress);
  return made;
}

function openLinked() {
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked instanceof HTMLDetailsElement) {
    linked.open = true;
    linked.scrollIntoView();
  }
}

localTimes(document);
document.getElementById("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
addEventListener("hashchange", openLinked);
openLinked();
