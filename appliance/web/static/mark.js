// Keeps a teacher's unfinished points and comment on this device until they are saved.
(function () {
  "use strict";
  const form = document.getElementById("mark-form");
  if (!form) return;
  const meta = document.querySelector("meta[name=darasa-person]");
  const key = "darasa/mark/" + (meta ? meta.content : "") + "/" + form.dataset.submission;
  const fields = ["points", "comment"];

  function read() {
    try { return JSON.parse(localStorage.getItem(key)); } catch (error) { return null; }
  }

  function keep() {
    const typed = { version: form.dataset.version };
    fields.forEach(function (name) { typed[name] = form.elements[name].value; });
    try { localStorage.setItem(key, JSON.stringify(typed)); } catch (error) { /* the form still has it */ }
  }

  const kept = read();
  const isRefused = document.querySelector(".notice-error, .field-error"); // the server gave it back
  if (kept && kept.version === form.dataset.version && !isRefused) {
    fields.forEach(function (name) { form.elements[name].value = kept[name]; });
  } else if (kept && !isRefused) {
    localStorage.removeItem(key); // saved, or the work has changed: the page is right
  }
  form.addEventListener("input", keep);
})();
