// Uploads with progress: files wait in a queue, each is a PUT, and the server tells how far it has read. Without this
// script the form posts the same files and fields.
(() => {
  "use strict";
  const POLL_MS = 500;
  const RATE_AFTER_MS = 1000;
  const RETRY_MS = 2000;

  const form = document.getElementById("upload");
  const input = document.getElementById("files");
  const drop = document.getElementById("drop");
  const list = document.getElementById("jobs");
  const status = document.getElementById("progress-status");
  const end = document.getElementById("progress-end");
  const template = document.getElementById("job");
  const count = new Intl.NumberFormat("en");
  const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const jobs = [];
  let current = null;
  let asking = false;

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const bytes = (size) => {
    if (size < 1000) return size + " bytes";
    let unit = -1;
    for (; size >= 999.95 && unit < 3; unit++) size /= 1000;
    return tenths.format(size) + " " + ["kB", "MB", "GB", "TB"][unit];
  };
  const time = (ms) => {
    const seconds = Math.max(1, Math.round(ms / 1000));
    if (seconds < 100) return seconds + " s";
    return seconds < 6000 ? Math.round(seconds / 60) + " min" : tenths.format(seconds / 3600) + " h";
  };
  const joined = (parts) => parts.filter(Boolean).join(" · ");

  const settings = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (typeof value === "string" && value && value !== "auto") query.set(name, value);
    }
    return query;
  };

  // What is announced: the whole queue in a line, at every change and not at every byte.
  const announce = () => {
    const of = (state) => jobs.filter((job) => job.state === state).length;
    const waiting = of("waiting"), done = of("done"), failed = of("failed");
    const said = [done + " of " + jobs.length + (jobs.length === 1 ? " file" : " files") + " done"];
    if (failed) said.push(failed + " not loaded");
    if (current) said.push((current.sent ? "reading " : "sending ") + current.file.name);
    if (waiting) said.push(waiting + " waiting");
    if (!current && done) {
      const sum = (name) => jobs.reduce((sum, job) => sum + (job[name] || 0), 0);
      const rejected = sum("rejected");
      said.push(count.format(sum("accepted")) + " rows accepted" + (rejected ? ", " + count.format(rejected) + " rejected" : ""));
    }
    const text = joined(said);
    if (status.textContent !== text) status.textContent = text;
    end.hidden = Boolean(current) || !done;
  };

  const tell = (job, text) => { job.line.textContent = text; };

  // The end of a job that did not land: why, and what to do.
  const fail = (job, why, again = true) => {
    job.state = "failed";
    job.bar.hidden = true;
    job.card.classList.add("notice");
    tell(job, why);
    const hadFocus = job.card.contains(document.activeElement);
    job.cancel.hidden = true;
    job.again.hidden = !again;
    if (hadFocus && again) job.again.focus();
  };

  // What the server says of a job at this moment; undefined where it does not answer.
  const look = async (job) => {
    try {
      const answer = await fetch("/api/v1/uploads/running", { cache: "no-store" });
      if (!answer.ok) return undefined;
      return (await answer.json()).running.find((upload) => upload.ticket === job.ticket) || null;
    } catch {
      return undefined;
    }
  };

  const showReading = (job, upload) => {
    job.seen = upload;
    const file = upload.file && upload.file.count > 1 ? "file " + upload.file.place + " of " + upload.file.count : "";
    if (upload.stage === "reading" && upload.bytes_total) {
      const part = Math.min(1, upload.bytes / upload.bytes_total);
      job.bar.value = part;
      tell(job, joined([
        "Reading " + Math.floor(part * 100) + " %", file, count.format(upload.rows) + " rows",
        upload.rows_per_s ? count.format(upload.rows_per_s) + " rows/s" : "",
        upload.left_ms === null ? "" : time(upload.left_ms) + " left",
      ]));
    } else if (upload.stage === "committing") {
      job.bar.removeAttribute("value");
      tell(job, joined(["Saving", file, count.format(upload.rows) + " rows"]));
    } else {
      job.bar.removeAttribute("value");
      tell(job, upload.stage === "opening" ? "Opening" : "Arriving");
    }
  };

  const watch = async (job) => {
    while (job === current && job.sent) {
      const upload = await look(job);
      if (upload && job === current) showReading(job, upload);
      await pause(POLL_MS);
    }
  };

  const showSending = (job, sent, size) => {
    job.bar.value = size ? sent / size : 1;
    const elapsed = performance.now() - job.began;
    const rate = sent / elapsed;
    const rated = elapsed > RATE_AFTER_MS && rate > 0;
    tell(job, joined([
      "Sending " + bytes(sent) + " of " + bytes(size),
      rated ? bytes(Math.round(rate * 1000)) + "/s" : "",
      rated ? time((size - sent) / rate) + " left" : "",
    ]));
  };

  const showReadingBegins = (job) => {
    if (job.sent || job !== current) return;
    job.sent = true;
    job.bar.removeAttribute("value");
    job.bar.setAttribute("aria-label", "Reading " + job.file.name);
    tell(job, "Reading");
    announce();
    watch(job);
  };

  // A PUT with progress, which only XMLHttpRequest tells. Never rejects.
  const send = (job) => new Promise((done) => {
    const request = job.request = new XMLHttpRequest();
    const query = new URLSearchParams(job.query);
    query.set("ticket", job.ticket);
    request.open("PUT", "/uploads/" + encodeURIComponent(job.file.name) + "?" + query);
    request.upload.addEventListener("progress", (event) => showSending(job, event.loaded, event.total));
    request.upload.addEventListener("load", () => showReadingBegins(job));
    request.addEventListener("load", () => done("answered"));
    request.addEventListener("abort", () => done("cancelled"));
    for (const name of ["error", "timeout"]) request.addEventListener(name, () => done("broken"));
    request.send(job.file);
  });

  // The answer is a piece of a page with a card for each file; anything else is an error page.
  const showAnswer = (job) => {
    const page = new DOMParser().parseFromString(job.request.responseText, "text/html");
    const cards = [...page.querySelectorAll(".outcome")];
    if (!cards.length) {
      const why = page.querySelector("main .lead");
      return fail(job, why ? why.textContent : "The server answered with an error (" + job.request.status + ").");
    }
    const landed = cards.some((card) => card.dataset.state !== "failed");
    job.state = landed ? "done" : "failed";
    for (const name of ["accepted", "rejected"]) job[name] = cards.reduce((sum, card) => sum + Number(card.dataset[name] || 0), 0);
    const hadFocus = job.card.contains(document.activeElement);
    job.item.replaceChildren(...cards.map((card) => document.importNode(card, true)));
    if (!landed) {
      job.again.hidden = false;
      const actions = document.createElement("p");
      actions.className = "actions";
      actions.append(job.again);
      job.item.lastElementChild.append(actions);
    }
    if (hadFocus) job.item.firstElementChild.focus();
  };

  const KEPT = " Whatever was loaded already counts once, however often it is sent.";

  const showCancelled = (job) => {
    const seen = job.seen;
    if (seen && seen.stage === "committing") {
      return fail(job, "Cancelled while it was being saved: it may have landed, see “Uploads so far”." + KEPT);
    }
    const before = seen && seen.file && seen.file.place > 1;
    fail(job, "Cancelled. " + (before ? "The files of the archive before are loaded, the others are not." : "Nothing of it was kept."));
  };

  const showBroken = async (job) => {
    const reachable = await look(job) !== undefined;
    const saving = job.seen && job.seen.stage === "committing";
    const kept = saving ? "It was being saved and may have landed." : "Nothing of this file was kept.";
    fail(job, reachable
      ? "The connection broke. " + kept + " Send it again." + KEPT
      : "The server does not answer any more. " + kept + " As soon as it runs again (“paygrain serve”), this page sends the file once more, and then the others." + KEPT);
    job.stalled = !reachable;
    return reachable;
  };

  // Sends what waits, one after the other.
  const run = async () => {
    if (current) return;
    let reachable = true;
    for (let job; reachable && (job = jobs.find((job) => job.state === "waiting"));) {
      current = job;
      Object.assign(job, { state: "running", sent: false, seen: null, began: performance.now() });
      showSending(job, 0, job.file.size);
      announce();
      const outcome = await send(job);
      if (outcome === "answered") showAnswer(job);
      else if (outcome === "cancelled") showCancelled(job);
      else reachable = await showBroken(job);
      current = null;
    }
    // Sent to nobody, the others would fail as well: they wait until one is sent again.
    for (const job of jobs) if (job.state === "waiting") tell(job, "Waiting for the server");
    announce();
    if (reachable) refresh();
    else comeBack();
  };

  // Asks until the server answers again, then goes on where the queue stopped: repeating a file is harmless.
  const comeBack = async () => {
    if (asking) return;
    asking = true;
    let stalled;
    while (!current && (stalled = jobs.find((job) => job.stalled))) {
      await pause(RETRY_MS);
      if (current || !jobs.includes(stalled) || await look(stalled) === undefined) continue;
      asking = false;
      return again(stalled);
    }
    asking = false;
  };

  // The list of uploads as it is now.
  const refresh = async () => {
    try {
      const answer = await fetch("/uploads" + location.search, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("history"), old = document.getElementById("history");
      if (fresh && old && !old.contains(document.activeElement)) old.replaceWith(document.importNode(fresh, true));
      const failed = page.getElementById("failed"), shown = document.getElementById("failed");
      if (shown && failed) shown.replaceWith(document.importNode(failed, true));
      else if (shown) shown.remove();
    } catch { /* the list stays as it was */ }
  };

  const cancel = (job) => {
    if (job === current) return job.request.abort();
    if (job.state !== "waiting") return;
    fail(job, "Cancelled before it was sent.");
    announce();
  };

  const again = (job) => {
    const hadFocus = job.item.contains(document.activeElement);
    const fresh = make(job.file, job.query);
    jobs.splice(jobs.indexOf(job), 1, fresh);
    job.item.replaceWith(fresh.item);
    if (hadFocus) fresh.cancel.focus();
    announce();
    run();
  };

  const make = (file, query) => {
    const item = document.importNode(template.content, true).firstElementChild;
    const part = (selector) => item.querySelector(selector);
    const job = {
      file, query, item, state: "waiting", ticket: crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2),
      card: part(".job"), bar: part("progress"), line: part(".state"), cancel: part(".cancel"), again: part(".again"),
    };
    part(".name").textContent = file.name;
    part(".size").textContent = bytes(file.size);
    job.bar.setAttribute("aria-label", "Sending " + file.name);
    job.cancel.setAttribute("aria-label", "Cancel " + file.name);
    job.again.setAttribute("aria-label", "Send again " + file.name);
    job.cancel.addEventListener("click", () => cancel(job));
    job.again.addEventListener("click", () => again(job));
    tell(job, "Waiting");
    return job;
  };

  const upload = (files) => {
    if (!files.length) return;
    const query = settings();
    const limit = Number(form.dataset.bytesMax);
    document.getElementById("progress").hidden = false;
    for (const file of files) {
      const job = make(file, query);
      jobs.push(job);
      list.append(job.item);
      if (file.size > limit) {
        fail(job, "The file is larger than " + bytes(limit) + ". Split or compress it, or use “paygrain ingest” on the machine itself.", false);
      }
    }
    announce();
    run();
  };

  // Leaving ends what is under way.
  addEventListener("beforeunload", (event) => { if (current) event.preventDefault(); });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload([...input.files]);
    input.value = "";
  });

  // What was dropped, folders with all that is in them, but not their hidden files. The first line must run at once: what
  // is dropped is gone after the event.
  const dropped = async (transfer) => {
    const files = [...transfer.files], entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return files;
    const found = [];
    const walk = async (entry, inFolder) => {
      if (inFolder && entry.name.startsWith(".")) return;
      if (entry.isFile) return found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      const reader = entry.createReader();
      for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) {
        for (const inner of some) await walk(inner, true);
      }
    };
    for (const entry of entries) await walk(entry, false);
    return found;
  };

  // Anywhere on the page: a file dropped beside the field would otherwise replace the page, and end what is under way.
  const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    addEventListener(name, (event) => { if (hasFiles(event)) { event.preventDefault(); drop.classList.add("over"); } });
  }
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    drop.classList.remove("over");
    upload(await dropped(event.dataTransfer).catch(() => []));
  });
})();
