// Without this file every page works; with it, times are the reader's own and linked steps are open.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  time.title = time.textContent + " UTC";
  time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
document.getElementById("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "local";

function openLinked() {
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked instanceof HTMLDetailsElement) {
    linked.open = true;
    linked.scrollIntoView();
  }
}
addEventListener("hashchange", openLinked);
openLinked();
