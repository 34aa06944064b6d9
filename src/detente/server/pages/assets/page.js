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

// Only this server's own page is read again, over the same connection, and only its main part is put in place.
async function fetchMain(headers) {
  const answer = await fetch(location.href, { headers: { accept: "text/html", ...headers }, cache: "no-store" });
  if (!answer.ok) return null;
  return new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html").getElementById("main");
}

async function readAgain() {
  const fresh = await fetchMain({});
  const main = document.getElementById("main");
  if (!fresh) return;
  if (main.contains(document.activeElement) && document.activeElement !== main) {
    announce("Something new has happened. Reload to see it.");
    return;
  }
  const opened = new Set([...main.querySelectorAll("details[open][id]")].map((each) => each.id));
  const scrolled = [...main.querySelectorAll(".wide[id]")].map((each) => [each.id, each.scrollLeft]);
  main.replaceChildren(...fresh.childNodes);
  for (const each of main.querySelectorAll("details[id]")) each.open = each.open || opened.has(each.id);
  for (const [id, left] of scrolled) if (document.getElementById(id)) document.getElementById(id).scrollLeft = left;
  addLocalTimes(main);
  announce(fresh.dataset.said ?? "Updated " + new Date().toLocaleTimeString() + ".");
}

function announce(text) {
  const live = document.getElementById("live");
  if (live.textContent !== text) live.textContent = text;
}

// What a page follows stands in it: the path of its events, of which `over` is the last. Whoever reads may stop it.
function follow(path) {
  let waiting = null;
  let events = null;
  const soon = () => {
    if (waiting === null) {
      waiting = setTimeout(() => {
        waiting = null;
        readAgain().catch(() => announce("Nobody answers any more: what stands here is the last that was heard."));
      }, 1500);
    }
  };
  const begin = () => {
    events = new EventSource(path);
    for (const name of ["notice", "lifted", "head", "moved"]) events.addEventListener(name, soon);
    events.addEventListener("over", () => {
      end();
      soon();
      button.remove();
    });
  };
  const end = () => {
    events?.close();
    events = null;
    clearTimeout(waiting);
    waiting = null;
  };
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  const show = () => (button.textContent = events === null ? "Follow what happens" : "Stop following");
  button.addEventListener("click", () => {
    if (events === null) {
      begin();
      soon();
    } else {
      end();
    }
    show();
  });
  document.getElementById("live").after(button);
  begin();
  show();
  window.addEventListener("pagehide", () => events?.close());
}

addLocalTimes(document);
const followed = document.getElementById("main")?.dataset.live;
if (followed) follow(followed);
