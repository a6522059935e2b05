// The session has ended while somebody was at work: ask for the PIN on top of the page,
// then let the outbox send the very same requests again. Nothing on the page is lost.
(function () {
  "use strict";
  const Darasa = window.Darasa;
  const meta = document.querySelector("meta[name=darasa-person]");
  if (!Darasa || !Darasa.outbox || !meta || Darasa.signInAgain) return;
  let overlay = null;
  let focused = null; // where the person was before

  function make(tag, name, text) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text) element.textContent = text;
    return element;
  }

  function build(why) {
    const dialog = make("div", "overlay");
    dialog.setAttribute("role", "dialog");
    dialog.setAttribute("aria-modal", "true");
    dialog.setAttribute("aria-labelledby", "again-title");
    const form = make("form", "card flow overlay-card");
    const title = make("h2", "", meta.dataset.name);
    title.id = "again-title";
    title.dir = "auto";
    const label = make("label", "", "Your PIN");
    label.htmlFor = "again-pin";
    const field = make("input", "pin-field");
    Object.assign(field, { id: "again-pin", type: "password", inputMode: "numeric", maxLength: 4, autocomplete: "off", required: true });
    field.setAttribute("inputmode", "numeric");
    const error = make("p", "field-error");
    error.setAttribute("role", "alert");
    error.hidden = true;
    const go = make("button", "button button-wide", "Go on");
    const close = make("button", "button-link", "Not now");
    close.type = "button";
    close.addEventListener("click", hide);
    [title, make("p", "", why + " What you wrote is kept on this phone. Type your PIN to send it."), label, field, error, go, close]
      .forEach(function (part) { form.appendChild(part); });
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      signIn(field, error, go);
    });
    dialog.appendChild(form);
    dialog.addEventListener("keydown", keepInside);
    return dialog;
  }

  function keepInside(event) {
    if (event.key === "Escape") hide();
    if (event.key !== "Tab") return;
    const stops = overlay.querySelectorAll("input, button");
    const edge = event.shiftKey ? stops[0] : stops[stops.length - 1];
    if (document.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops[stops.length - 1] : stops[0]).focus();
  }

  function signIn(field, error, go) {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/v1/sessions");
    request.setRequestHeader("content-type", "application/json");
    request.onload = function () {
      go.disabled = false;
      if (request.status === 201) {
        hide();
        Darasa.outbox.resume();
      } else {
        field.value = "";
        say(error, words(request.responseText));
        field.focus();
      }
    };
    request.onerror = function () {
      go.disabled = false;
      say(error, "The school box does not answer. Stay near it and try again.");
    };
    go.disabled = true;
    request.send(JSON.stringify({ person_id: Darasa.outbox.person, pin: field.value }));
  }

  function words(text) {
    try {
      const problem = JSON.parse(text);
      return problem.title + ". " + problem.hint;
    } catch (error) {
      return "That did not work. Try again.";
    }
  }

  function say(error, text) {
    error.textContent = text;
    error.hidden = false;
  }

  function show(problem) {
    if (overlay) return;
    const isOther = problem && problem.code === "other-person";
    overlay = build(isOther ? "Somebody else has signed in on this phone." : "You were signed out.");
    focused = document.activeElement;
    document.body.appendChild(overlay);
    overlay.querySelector("input").focus();
  }

  function hide() {
    if (!overlay) return;
    overlay.remove();
    overlay = null;
    if (focused) focused.focus();
  }

  Darasa.signInAgain = function () { show(null); };
  document.addEventListener("darasa:sign-in-needed", function (event) { show(event.detail); });
})();
