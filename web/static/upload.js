// Uploads with progress: one PUT per file. Without this script the form posts the same files and fields.
(() => {
  "use strict";
  const form = document.getElementById("upload");
  const input = document.getElementById("files");
  const drop = document.getElementById("drop");
  const rows = document.getElementById("progress-rows");
  const status = document.getElementById("progress-status");
  const number = new Intl.NumberFormat("en");
  let queue = Promise.resolve();

  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  const cell = (row, text, kind) => {
    const made = row.insertCell();
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const settings = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (typeof value === "string" && value && value !== "auto") query.set(name, value);
    }
    return query;
  };

  // A PUT with progress, which only XMLHttpRequest tells. Never rejects.
  const send = (file, query, progress) => new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("PUT", "/api/v1/uploads/" + encodeURIComponent(file.name) + "?" + query);
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    const end = () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* told below */ }
      done({ ok: request.status >= 200 && request.status < 300, answer });
    };
    request.addEventListener("load", end);
    for (const name of ["error", "abort", "timeout"]) request.addEventListener(name, () => done({ ok: false, answer: null }));
    request.send(file);
  });

  const tell = (row, cells, file, result) => {
    cells.bar.remove();
    if (!result.ok) {
      const problem = result.answer || { detail: "the connection broke; nothing of the file was kept" };
      cells.state.textContent = [problem.detail, problem.hint].filter(Boolean).map(capital).join(". ");
      cells.state.className = "up";
      status.textContent = file.name + " failed";
      return;
    }
    const upload = result.answer.uploads[0];
    cells.state.textContent = upload.already_loaded ? "already loaded" : "done";
    const link = document.createElement("a");
    link.href = "/uploads/" + encodeURIComponent(upload.id);
    link.textContent = file.name;
    cells.name.replaceChildren(link);
    cells.accepted.textContent = number.format(upload.accepted);
    cells.duplicate.textContent = number.format(upload.duplicate);
    cells.rejected.textContent = number.format(upload.rejected);
    cells.format.textContent = upload.format;
    const notes = upload.warnings.concat(upload.first_rejected.slice(0, 3).map((bad) =>
      (bad.line ? "line " + number.format(bad.line) : "byte " + number.format(bad.byte_offset)) + ": " + bad.reason));
    if (notes.length) {
      const list = document.createElement("ul");
      list.className = "rejected";
      for (const note of notes) list.appendChild(document.createElement("li")).textContent = note;
      cells.state.append(list);
    }
    status.textContent = file.name + ": " + upload.accepted + " rows accepted, " + upload.rejected + " rejected";
  };

  const upload = (files) => {
    const query = settings();
    const limit = Number(form.dataset.bytesMax);
    document.getElementById("progress").hidden = false;
    for (const file of files) {
      const row = rows.insertRow();
      const cells = { name: cell(row, file.name, "name"), state: cell(row, "waiting") };
      for (const name of ["accepted", "duplicate", "rejected"]) cells[name] = cell(row, "", "n");
      cells.format = cell(row, "");
      cells.bar = document.createElement("progress");
      cells.bar.setAttribute("aria-label", file.name);
      cells.bar.max = 1;
      cells.bar.value = 0;
      if (file.size > limit) {
        tell(row, cells, file, { ok: false, answer: { detail: "larger than " + number.format(limit) + " bytes" } });
        continue;
      }
      queue = queue.then(async () => {
        cells.state.textContent = "";
        cells.state.append(cells.bar);
        const result = await send(file, query, (sent, size) => {
          cells.bar.value = size ? sent / size : 1;
          if (sent === size) { cells.state.textContent = "reading…"; }
        });
        tell(row, cells, file, result);
      });
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload([...input.files]);
    input.value = "";
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    upload([...event.dataTransfer.files]);
  });
})();
