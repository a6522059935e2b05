// Says on every page what still waits on this phone, and when it was handed in.
(function () {
  "use strict";
  const Darasa = window.Darasa;
  if (!Darasa || !Darasa.outbox) return;
  const main = document.getElementById("main");
  const list = document.querySelector("[data-waiting-list]");
  const hasOwnWords = document.getElementById("work-form"); // hand-in.js speaks there
  let note = null;
  let waiting = 0;

  function paragraph(words) {
    const element = document.createElement("p");
    words.forEach(function (word) { element.appendChild(typeof word === "string" ? document.createTextNode(word) : word); });
    return element;
  }

  function name(text) {
    const element = document.createElement("bdi");
    element.textContent = text;
    return element;
  }

  function show(kind, words) {
    if (!note) {
      note = document.createElement("div");
      note.setAttribute("role", "status");
      main.insertBefore(note, main.firstChild);
    }
    note.className = "notice notice-" + kind;
    note.textContent = "";
    note.appendChild(paragraph(words));
  }

  function sentence(count) {
    return (count === 1 ? "1 piece of work is" : count + " pieces of work are") + " still on this phone. ";
  }

  const WHY = {
    idle: "It could not be handed in; open the task to see why.",
    sending: "Sending it now.",
    waiting: "The school box does not answer; it is sent by itself as soon as it does.",
    "sign-in": "Type your PIN to send it.",
  };

  function fill(entries) {
    document.getElementById("on-this-phone").hidden = !entries.length;
    list.textContent = "";
    entries.forEach(function (entry) {
      const line = document.createElement("li");
      const link = document.createElement("a");
      link.className = "list-link";
      link.href = "/learn/tasks/" + entry.body.assessment_id;
      const text = document.createElement("span");
      text.className = "list-text";
      const title = name(entry.title);
      title.className = "list-title";
      const where = document.createElement("span");
      where.className = "list-note";
      where.textContent = "On this phone only, not handed in yet";
      [title, where].forEach(function (part) { text.appendChild(part); });
      link.appendChild(text);
      line.appendChild(link);
      list.appendChild(line);
    });
  }

  document.addEventListener("darasa:outbox", function (event) {
    const detail = event.detail;
    waiting = detail.hand_ins.length;
    if (list) fill(detail.hand_ins);
    if (hasOwnWords) return;
    if (!detail.hand_ins.length) {
      if (note && note.classList.contains("notice-warn")) note = note.remove() || null;
      return;
    }
    const why = detail.problem && detail.problem.status >= 500 ? detail.problem.title + ". " + detail.problem.hint : WHY[detail.state];
    show("warn", [sentence(detail.hand_ins.length), why]);
  });

  document.addEventListener("submit", function (event) {
    if (!waiting || event.target.getAttribute("action") !== "/sign-out") return;
    const words = sentence(waiting) + "It is sent only after you sign in on this phone again. Sign out now?";
    if (!window.confirm(words)) event.preventDefault();
  }, true); // before page.js takes the form for sent

  document.addEventListener("darasa:delivered", function (event) {
    const entry = event.detail.entry;
    if (entry.kind !== "hand-in" || hasOwnWords) return;
    const link = document.createElement("a");
    link.href = "/learn/hand-ins/" + event.detail.answer.submission_id;
    link.textContent = event.detail.answer.code;
    show("success", ["Handed in: ", name(entry.title), ", receipt ", link]);
  });
})();
