// What every page gains with scripts: the reader's own time beside UTC, and a page that follows what happens.
"use strict";

const policy = window.trustedTypes
  ? window.trustedTypes.createPolicy("detente", { createHTML: (text) => text })
  : { createHTML: (text) => text };

function addLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}

// Only this node's own page is read again, over the same connection, and only its main part is put in place.
async function readAgain() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
  const fresh = page.getElementById("main");
  const main = document.getElementById("main");
  if (!fresh || main.contains(document.activeElement) && document.activeElement !== main) {
    say("Something new has happened. Reload to see it.");
    return;
  }
  const opened = new Set([...main.querySelectorAll("details[open][id]")].map((each) => each.id));
  main.replaceChildren(...fresh.childNodes);
  for (const each of main.querySelectorAll("details[id]")) each.open = each.open || opened.has(each.id);
  addLocalTimes(main);
  say("Updated " + new Date().toLocaleTimeString() + ".");
}

function say(text) {
  document.getElementById("live").textContent = text;
}

function follow() {
  let waiting = null;
  const events = new EventSource("/v1/events?only=notice,lifted,head");
  const soon = () => {
    if (waiting === null) {
      waiting = setTimeout(() => {
        waiting = null;
        readAgain().catch(() => say("The node does not answer."));
      }, 1500);
    }
  };
  for (const name of ["notice", "lifted", "head"]) events.addEventListener(name, soon);
  window.addEventListener("pagehide", () => events.close());
}

addLocalTimes(document);
if (document.getElementById("main")?.hasAttribute("data-live")) follow();
