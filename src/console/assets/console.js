// What saves clicks; every page works without it.
"use strict";

// The time bar: a handle goes by itself, and of the moment shown the arrow keys go from event to event.
for (const handle of document.querySelectorAll("input.handle")) {
  const form = handle.closest("form");
  // The handle keeps the focus on the page that comes.
  const keep = () => sessionStorage.setItem("handle", handle.name);
  const say = () => {
    const at = new Date(Number(handle.value) * 1000).toISOString().slice(0, 16).replace("T", " ");
    handle.setAttribute("aria-valuetext", at + " UTC");
    handle.title = at + " UTC";
  };
  handle.addEventListener("input", say);
  handle.addEventListener("change", () => {
    keep();
    form.requestSubmit();
  });
  if (handle.name === "t") handle.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: "prev", ArrowDown: "prev", ArrowRight: "next", ArrowUp: "next" }[event.key];
    if (!to) return;
    event.preventDefault();
    const link = document.querySelector(`section.time a[rel=${to}]`);
    if (link) {
      keep();
      location.assign(link.href);
    }
  });
  if (sessionStorage.getItem("handle") === handle.name) {
    sessionStorage.removeItem("handle");
    handle.focus({ preventScroll: true });
  }
}

// A button to copy beside what is long.
for (const text of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    // Of a link its whole address, which can be sent to somebody.
    await navigator.clipboard.writeText(text.href || text.textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  text.after(button);
}

// The rules of a new password are ticked off while it is typed.
for (const field of document.querySelectorAll("input[data-rules]")) {
  const rules = document.getElementById(field.dataset.rules);
  if (!rules) continue;
  const tests = [
    [/at least (\d+) characters/, (typed, found) => [...typed].length >= Number(found[1])],
    [/upper-case/, (typed) => /[A-Z]/.test(typed)],
    [/lower-case/, (typed) => /[a-z]/.test(typed)],
    [/a digit/, (typed) => /[0-9]/.test(typed)],
    [/a symbol/, (typed) => /[!@#$%^&*()_+\-=\[\]{}|']/.test(typed)],
  ];
  field.addEventListener("input", () => {
    for (const rule of rules.children) {
      for (const [pattern, holds] of tests) {
        const found = rule.textContent.match(pattern);
        if (found) rule.classList.toggle("kept", holds(field.value, found));
      }
    }
  });
}
