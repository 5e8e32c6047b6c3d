// The SQL page: Ctrl-Enter runs the query, a click on a name inserts it.
(() => {
  "use strict";
  const form = document.getElementById("sql");
  const query = document.getElementById("query");

  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", (event) => {
    const button = form.querySelector("button[data-busy]");
    if (button.getAttribute("aria-disabled")) { event.preventDefault(); return; }
    button.textContent = button.dataset.busy;
    button.setAttribute("aria-disabled", "true");
  });

  const insert = (text) => {
    const { selectionStart: from, selectionEnd: to, value } = query;
    // Names stand apart from the word before them.
    const space = from > 0 && /[\w)"']/.test(value[from - 1]) ? " " : "";
    query.setRangeText(space + text, from, to, "end");
    query.focus();
  };
  for (const name of document.querySelectorAll("code[data-insert]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "insert";
    button.title = "Insert into the query";
    button.textContent = name.textContent;
    button.addEventListener("click", () => insert(name.dataset.insert));
    name.replaceChildren(button);
  }
})();
