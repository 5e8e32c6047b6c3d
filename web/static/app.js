// Conveniences; every page works without them.
(() => {
  "use strict";
  const root = document.documentElement;

  // Theme: auto, light, dark. The choice stays in this browser.
  const button = document.getElementById("theme");
  const modes = ["auto", "light", "dark"];
  const showMode = () => { button.textContent = "Theme: " + (root.dataset.theme || "auto"); };
  button.hidden = false;
  button.addEventListener("click", () => {
    const mode = modes[(modes.indexOf(root.dataset.theme || "auto") + 1) % modes.length];
    if (mode === "auto") delete root.dataset.theme; else root.dataset.theme = mode;
    try { localStorage.setItem("theme", mode); } catch { /* storage is off: it lasts for this page */ }
    showMode();
  });
  showMode();

  // Back from the answer, a button that was busy is not any more.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  for (const select of document.querySelectorAll("select[data-submits]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  for (const form of document.querySelectorAll("form[method=post]")) {
    // Later, when it is known whether another script has taken the submission over.
    form.addEventListener("submit", (event) => setTimeout(() => {
      const busy = form.querySelector("button[data-busy]");
      if (!busy || event.defaultPrevented) return;
      busy.textContent = busy.dataset.busy;
      busy.setAttribute("aria-disabled", "true");
    }));
  }

  for (const copy of document.querySelectorAll("button[data-copies]")) {
    if (!navigator.clipboard) continue;
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(copy.dataset.copies).textContent);
      copy.textContent = "Copied";
    });
  }

  // Tooltips of the charts: their rows are read from the data table of the chart, so the two cannot disagree.
  const tip = document.getElementById("tip");
  if (!tip) return;
  const hide = () => { tip.hidden = true; };

  const show = (column, table) => {
    const heads = [...table.tHead.rows[0].cells];
    const cells = table.tBodies[0].rows[Number(column.dataset.row)].cells;
    const title = document.createElement("b");
    title.textContent = cells[0].textContent;
    const rows = document.createElement("table");
    for (let place = heads.length - 1; place > 0; place--) {
      if (cells[place].classList.contains("zero")) continue;
      const row = rows.insertRow(), name = row.insertCell(), value = row.insertCell();
      const series = heads[place].dataset.series;
      if (series) {
        const key = document.createElement("span");
        key.className = "key " + series;
        key.append(document.createElement("i"), heads[place].textContent);
        name.append(key);
      } else {
        name.textContent = heads[place].textContent;
      }
      value.className = "n";
      value.textContent = cells[place].textContent;
    }
    tip.replaceChildren(title, rows);
    tip.hidden = false;
    const place = (column.querySelector(".hit, .bar-line") || column).getBoundingClientRect(), width = tip.offsetWidth;
    const right = place.right + 12;
    tip.style.left = Math.max(8, right + width > innerWidth ? place.left - width - 12 : right) + "px";
    tip.style.top = Math.max(8, Math.min(place.top, innerHeight - tip.offsetHeight - 8)) + "px";
  };

  for (const figure of document.querySelectorAll(".chart")) {
    const table = figure.querySelector("table.data") || figure.parentElement.querySelector("table.data");
    if (!table) continue;
    const columns = [...figure.querySelectorAll(".col")];
    const isList = figure.classList.contains("bars"), across = Number(figure.dataset.across || 0);

    columns.forEach((column, place) => {
      // One stop for the Tab key; the arrow keys move within the chart.
      column.setAttribute("tabindex", place ? "-1" : "0");
      column.addEventListener("pointerenter", () => show(column, table));
      column.addEventListener("pointerleave", hide);
      column.addEventListener("focus", () => show(column, table));
      column.addEventListener("blur", hide);
      column.addEventListener("keydown", (event) => {
        if (event.key === "Escape") return hide();
        const last = columns.length - 1;
        const [back, on] = isList ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
        const keys = { [on]: place + 1, [back]: place - 1, Home: 0, End: last };
        // A map has rows: up and down stay within the column.
        if (across && place >= across) keys.ArrowUp = place - across;
        if (across && place + across <= last) keys.ArrowDown = place + across;
        const target = keys[event.key];
        if (target === undefined) return;
        event.preventDefault();
        const next = columns[Math.max(0, Math.min(last, target))];
        column.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });

    // Where a chart of days is wider than the screen, the latest days come first.
    if (figure.id === "daily") {
      for (const plot of figure.querySelectorAll(".plot")) plot.scrollLeft = plot.scrollWidth;
    }

    // Pointing at an entry of the legend dims the other bands.
    for (const key of figure.parentElement.querySelectorAll(".legend [data-series]")) {
      const bands = [...figure.querySelectorAll(".band")].filter((band) => !band.classList.contains(key.dataset.series));
      const dim = (on) => () => bands.forEach((band) => band.classList.toggle("dim", on));
      key.addEventListener("pointerenter", dim(true));
      key.addEventListener("pointerleave", dim(false));
      key.addEventListener("focus", dim(true));
      key.addEventListener("blur", dim(false));
    }
  }
})();
