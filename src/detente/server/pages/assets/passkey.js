// Passkeys: the one thing that a page cannot do without scripts. Everything shown here was rendered at the server; this file asks the
// authenticator, and sends what it says. It keeps nothing.
"use strict";

const toBytes = (text) => {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(plain.padEnd(Math.ceil(plain.length / 4) * 4, "=")), (each) => each.charCodeAt(0));
};
const toText = (buffer) => {
  let text = "";
  for (const each of new Uint8Array(buffer)) text += String.fromCharCode(each);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};
const withIds = (list) => (list ?? []).map((each) => ({ ...each, id: toBytes(each.id) }));

function say(form, text, good) {
  const said = form.querySelector(".said");
  said.textContent = text;
  said.className = good === undefined ? "said" : good ? "said good" : "said bad";
}

async function ask(path, options) {
  const answer = await fetch(path, { ...options, headers: { accept: "application/json", ...(options?.headers ?? {}) } });
  const value = await answer.json();
  if (!answer.ok) {
    throw new Error(
      value.rule ? `${value.rule}: got ${value.got}; expected ${value.expected}${value.todo ? `; ${value.todo}` : ""}` : value.unavailable
    );
  }
  return value;
}

const post = (path, value) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

async function asserted(publicKey) {
  const found = await navigator.credentials.get({
    publicKey: { ...publicKey, challenge: toBytes(publicKey.challenge), allowCredentials: withIds(publicKey.allowCredentials) },
  });
  return {
    credential_id: toText(found.rawId),
    authenticator_data: toText(found.response.authenticatorData),
    client_data: toText(found.response.clientDataJSON),
    signature: toText(found.response.signature),
  };
}

// Bytes in base64 with padding, as statements have them.
const toBase64 = (text) => btoa(String.fromCharCode(...toBytes(text)));

// Who asks for their own figures, or erases a note, asserts exactly that, in a domain in which nothing is decided.
async function leave(about, note) {
  const asked = { ...about, ...(note ? { note } : {}) };
  const options = await ask(`/v1/reviewers/options?${new URLSearchParams(asked)}`);
  const made = await asserted(options.public_key);
  const key = options.passkeys.find((each) => each.id === made.credential_id)?.key;
  const said = {
    type: "webauthn",
    key,
    authenticator_data: toBase64(made.authenticator_data),
    client_data: toBase64(made.client_data),
    signature: toBase64(made.signature),
  };
  return { "detente-signed": `assertion ${options.at} ${btoa(JSON.stringify(said))}` };
}

function explained(error) {
  if (error.name === "NotAllowedError") return "No passkey was used: it was cancelled, took too long, or is not one of those enrolled.";
  if (error.name === "InvalidStateError") return "This authenticator is registered for this reviewer already.";
  return error.message;
}

// How the change was read: how long the page was open, how long anybody did anything on it, and which files came into view.
class Reading {
  constructor() {
    this.begun = performance.now();
    this.active = new Set();
    this.shown = new Set();
    this.files = [...document.querySelectorAll(".change details.file, .change > .chunk:only-child")];
    for (const name of ["pointermove", "keydown", "scroll", "click"]) {
      window.addEventListener(name, () => this.active.add(Math.floor((performance.now() - this.begun) / 1000)), { passive: true });
    }
    const watch = new IntersectionObserver((entries) => {
      for (const each of entries) {
        const file = each.target.closest("details.file") ?? each.target;
        if (each.isIntersecting && file.open !== false) this.shown.add(file);
      }
    });
    for (const file of this.files) watch.observe(file.querySelector(".lines") ?? file);
  }

  figures() {
    const open = Math.max(0, Math.round((performance.now() - this.begun) / 1000));
    return {
      open_s: open,
      active_s: Math.min(open, this.active.size),
      files: this.files.length,
      files_shown: this.shown.size,
      changed_lines: this.files.reduce((sum, each) => sum + Number(each.dataset.lines ?? 0), 0),
    };
  }
}

function told(figures) {
  return (
    `open for ${figures.open_s} s, of which something was done in ${figures.active_s} s; ` +
    `${figures.files_shown} of ${figures.files} files came into view; ${figures.changed_lines} changed lines`
  );
}

function decide(form) {
  if (!form.elements.who) return; // Nobody has a passkey for this page, which the form says.
  const reading = new Reading();
  const record = form.querySelector("#recorded");
  setInterval(() => (record.textContent = told(reading.figures())), 1000);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const given = new FormData(form);
      const [organisation, reviewer] = JSON.parse(given.get("who"));
      const reason = String(given.get("reason") ?? "").replace(/\s+/g, " ").trim();
      const note = { ...(reason ? { reason } : {}), ...(given.get("keep") ? { reading: reading.figures() } : {}) };
      const kept = Object.keys(note).length ? (await post("/v1/notes", note)).note : null;
      const asked = {
        proposal: form.dataset.proposal,
        decision: given.get("decision"),
        organisation,
        reviewer,
        significant: given.get("significant"),
        ...(kept ? { note: kept } : {}),
      };
      const options = await ask(`/v1/decisions/options?${new URLSearchParams(asked)}`);
      say(form, `Touch the passkey. What it signs has the digest ${options.binding_digest}.`);
      const assertion = await asserted(options.public_key);
      const filed = await post("/v1/decisions", { ...asked, nonce: options.nonce, assertion });
      say(form, `Filed: ${asked.decision} by ${reviewer} of ${organisation}, made with: ${filed.label}. Statement ${filed.statement}. Reload to see what is still lacking.`, true);
    } catch (error) {
      say(form, explained(error), false);
    } finally {
      button.disabled = false;
    }
  });
}

function enrol(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const given = new FormData(form);
      const options = await ask(`/v1/credentials/options?${new URLSearchParams(given)}`);
      say(form, "First touch: the authenticator makes a passkey.");
      const made = await navigator.credentials.create({
        publicKey: {
          ...options.public_key,
          challenge: toBytes(options.public_key.challenge),
          user: { ...options.public_key.user, id: toBytes(options.public_key.user.id) },
          excludeCredentials: withIds(options.public_key.excludeCredentials),
        },
      });
      say(form, "Second touch: it proves that it verifies you.");
      const proof = await asserted({ ...options.proof, allowCredentials: [{ type: "public-key", id: toText(made.rawId) }] });
      delete proof.credential_id;
      const file = JSON.stringify(
        {
          type: "webauthn",
          organisation: options.organisation,
          reviewer: options.reviewer,
          rp_id: options.rp_id,
          origin: options.origin,
          credential_id: toText(made.rawId),
          client_data: toText(made.response.clientDataJSON),
          attestation: toText(made.response.attestationObject),
          proof,
        },
        null,
        1
      );
      const name = `passkey-${options.organisation}-${options.reviewer}.json`;
      const link = document.getElementById("file");
      link.href = URL.createObjectURL(new Blob([file + "\n"], { type: "application/json" }));
      link.download = name;
      link.textContent = `Save ${name}`;
      document.getElementById("registration").textContent = file;
      document.getElementById("command").textContent = `detente hold enrol --as ${options.organisation} --passkey ${name}`;
      document.getElementById("made").hidden = false;
      say(form, "The passkey was made. It counts for nothing yet: give the file below to the holder of the root keys.", true);
      link.focus();
    } catch (error) {
      say(form, explained(error), false);
    } finally {
      button.disabled = false;
    }
  });
}

function figures(form) {
  const about = { organisation: form.dataset.organisation, reviewer: form.dataset.reviewer };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      say(form, "Touch the passkey. It signs that you ask for your own figures now, and no decision.");
      const signed = await leave(about);
      const fresh = await fetchMain(signed);
      if (fresh === null) await ask(location.pathname.replace("/", "/v1/"), { headers: signed }); // which says why not
      const main = document.getElementById("main");
      main.replaceChildren(...fresh.childNodes);
      addLocalTimes(main);
      for (const each of main.querySelectorAll("form[data-passkey=erase]")) erase(each, about);
      window.addEventListener("pagehide", () => main.replaceChildren());
      window.addEventListener("pageshow", (shown) => shown.persisted && location.reload());
      main.focus();
      announce("Your figures are shown. They are gone when you leave this page.");
    } catch (error) {
      say(form, explained(error), false);
    } finally {
      button.disabled = false;
    }
  });
}

function erase(form, about) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      say(form, "Touch the passkey. It signs that this note is erased.");
      const signed = await leave(about, form.dataset.note);
      await ask(`/v1/notes/${form.dataset.note}?${new URLSearchParams(about)}`, { method: "DELETE", headers: signed });
      button.remove();
      say(form, "Erased for good. Ask for your figures again to see them without it.", true);
    } catch (error) {
      say(form, explained(error), false);
      button.disabled = false;
    }
  });
}

const able = window.isSecureContext && window.PublicKeyCredential !== undefined;
const kinds = { decide, enrol, figures };
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (able) {
    form.hidden = false;
    kinds[form.dataset.passkey]?.(form);
  } else {
    const why = document.getElementById("no-passkey");
    why.textContent = "This browser has no passkeys here: they need a page over https, or on this machine itself.";
  }
}
