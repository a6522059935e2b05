// The page a task is written on: saves to the phone and to the box while the pupil types,
// hands in through the outbox, and says at every moment where the words are.
(function () {
  "use strict";
  const Darasa = window.Darasa;
  const form = document.getElementById("work-form");
  if (!form || !Darasa || !Darasa.outbox) return;

  const SAVE_MS = 1000; // the promise is at most 2 s lost; the phone needs a part of it
  const person = Darasa.outbox.person;
  const task = form.dataset.task;
  const bytesMax = Number(form.dataset.bytesMax);
  const field = form.elements.body;
  const button = form.querySelector("[value=hand-in]");
  const line = document.getElementById("save-line");
  const work = document.getElementById("work");
  const way = document.getElementById("on-its-way");
  const others = document.getElementById("other-versions");

  let revision = form.elements.revision_id.value;
  let edit = Number(form.elements.edit_no.value);
  let saved = clean(field.value); // the words of edit number `edit`
  let handedIn = form.dataset.handedIn;
  let timer = 0;
  let saving = Promise.resolve(); // one save after the other
  let isOnPhone = true;
  let underway = null; // the id of a hand-in the box has not answered
  const arrived = new Set(); // ids the box has answered since this page was opened
  let mark = ""; // of the draft this page wrote last; another one is another tab's

  // The box refuses half letters (an emoji cut in two) and NUL; they carry no meaning.
  function clean(text) {
    return text
      .replace(/\u0000/g, "")
      .replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])/g, "\uFFFD")
      .replace(/(^|[^\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "$1\uFFFD")
      .normalize("NFC");
  }

  function tooLong(text) {
    return new TextEncoder().encode(text).length - bytesMax;
  }

  function say(text, isWarning) {
    if (line.textContent !== text) line.textContent = text;
    line.classList.toggle("save-line-warn", Boolean(isWarning));
  }

  // Typing

  function typed() {
    const text = clean(field.value);
    button.disabled = !text.trim() || text === handedIn;
    if (text === saved) return;
    if (tooLong(text) > 0) say("This is too long to hand in. Make it about " + tooLong(text) + " letters shorter.", true);
    else if (isOnPhone) say("Saving …");
    if (!timer) timer = setTimeout(save, SAVE_MS);
  }

  function save() {
    clearTimeout(timer);
    timer = 0;
    saving = saving.then(saveNow).catch(function () { say("This could not be saved. Keep this page open.", true); });
    return saving;
  }

  async function keep(text, isSent) {
    mark = Darasa.uuid7();
    const draft = { revision_id: revision, task: task, edit_no: edit, body: text, saved_at: Date.now(), is_sent: isSent, mark: mark };
    isOnPhone = (await Darasa.store.put("drafts", person, revision, draft)) !== "memory";
  }

  async function kept() {
    return (await Darasa.store.all("drafts", person)).filter(function (draft) { return draft.task === task; });
  }

  async function saveNow() {
    const text = clean(field.value);
    if (text === saved || underway) return;
    const there = (await kept()).find(function (draft) { return draft.revision_id === revision; });
    if (there && there.mark !== mark && there.body !== text) fork(); // typed in another tab
    edit += 1;
    saved = text;
    await keep(text, false);
    if (tooLong(text) > 0) return;
    sayWhere(false);
    await Darasa.outbox.put({
      id: "draft-" + revision,
      kind: "draft",
      method: "PUT",
      url: "/api/v1/drafts/" + revision,
      body: { assessment_id: task, edit_no: edit, body: text },
    });
  }

  function sayWhere(isOnBox) {
    if (!isOnPhone && !isOnBox) say("This phone cannot keep what you write. Stay on this page until it says that the box has it.", true);
    else if (!isOnPhone) say("Saved on the school box. This phone cannot keep it.");
    else say(isOnBox ? "Saved on this phone and on the school box." : "Saved on this phone.");
  }

  // Go on under a new id: the old one belongs to other words by now.
  function fork() {
    revision = Darasa.uuid7();
    edit = 0;
    saved = "";
    mark = "";
  }

  async function draftArrived(entry, kept) {
    if (entry.id !== "draft-" + revision) return;
    if (kept.edit_no !== entry.body.edit_no || kept.body !== entry.body.body) {
      const theirs = { revision_id: kept.revision_id, edit_no: kept.edit_no, body: kept.body, saved_at: kept.saved_at_ms };
      fork(); // another phone went on with this draft; both are kept
      offer([theirs]);
      await save();
      return;
    }
    if (kept.edit_no !== edit) return; // typing went on meanwhile
    await keep(saved, true);
    if (saved === clean(field.value)) sayWhere(true);
  }

  // Versions: this phone's, another phone's

  function offer(versions) {
    versions.forEach(function (version) {
      const box = document.createElement("div");
      box.className = "notice notice-info";
      const words = document.createElement("p");
      words.textContent = "There is another text of yours for this task, from " + moment(version.saved_at) + ".";
      const use = document.createElement("button");
      use.type = "button";
      use.className = "button button-second";
      use.textContent = "Show that one instead";
      use.addEventListener("click", function () {
        box.remove();
        swap(version);
      });
      box.appendChild(words);
      box.appendChild(use);
      others.appendChild(box);
    });
    others.hidden = false;
  }

  async function swap(version) {
    await save();
    if (saved.trim()) offer([{ revision_id: revision, edit_no: edit, body: saved, saved_at: Date.now() }]);
    adopt(version);
    field.focus();
  }

  function adopt(version) {
    revision = version.revision_id;
    edit = version.edit_no;
    mark = version.mark || "";
    saved = version.body;
    field.value = version.body;
    typed();
  }

  // What this phone has and the box has not: the newest is shown, the others are offered.
  async function gather() {
    const fromBox = { revision_id: revision, edit_no: edit, body: saved, saved_at: Date.now() };
    const unsent = [];
    for (const draft of await kept()) {
      const isShown = draft.revision_id === revision;
      if (isShown) mark = draft.mark;
      if (draft.is_sent || !draft.body.trim() || draft.body === saved || draft.body === handedIn) continue;
      // Another phone went on with this draft; the words typed here get an id of their own.
      unsent.push(isShown && draft.edit_no <= edit ? await moved(draft) : draft);
    }
    if (!unsent.length) return;
    unsent.sort(function (a, b) { return b.saved_at - a.saved_at; });
    adopt(unsent[0]);
    saved = ""; // so that it is sent to the box now
    work.open = true;
    await save();
    const left = unsent.slice(1);
    if (fromBox.edit_no && fromBox.revision_id !== revision && fromBox.body.trim()) left.push(fromBox);
    if (left.length) offer(left);
  }

  async function moved(draft) {
    const copy = Object.assign({}, draft, { revision_id: Darasa.uuid7(), edit_no: 0 });
    await Darasa.store.put("drafts", person, copy.revision_id, copy);
    await Darasa.outbox.drop("draft-" + draft.revision_id);
    return copy;
  }

  // Handing in

  async function handIn(event) {
    event.preventDefault();
    if (underway) return;
    const text = clean(field.value);
    if (!text.trim()) return say("Write your answer first.", true);
    if (tooLong(text) > 0) return typed();
    underway = revision; // from here a second tap does nothing
    button.disabled = true;
    clearTimeout(timer);
    timer = 0;
    await saving;
    await Darasa.outbox.drop("draft-" + underway);
    edit += 1;
    await keep(text, false); // a phone that dies before the next line still has the words
    const place = await Darasa.outbox.put({
      id: underway,
      kind: "hand-in",
      method: "PUT",
      url: "/api/v1/submission-revisions/" + underway,
      body: { assessment_id: task, body: text },
      title: form.dataset.title,
    });
    showWay(place !== "memory");
  }

  function showWay(isKept) {
    if (!underway) return; // the box was faster
    way.hidden = false;
    work.hidden = true;
    if (!isKept) wayWords("This phone cannot keep your work. Leave this page open until you see the receipt.");
    way.scrollIntoView({ block: "center" });
  }

  function wayWords(text) { way.querySelector("[data-way-words]").textContent = text; }

  async function handedInNow(entry, receipt) {
    arrived.add(entry.id);
    handedIn = entry.body.body;
    for (const draft of await kept()) {
      if (draft.body === handedIn) await Darasa.store.remove("drafts", person, draft.revision_id);
    }
    showReceipt(receipt);
    underway = null;
    if (entry.id === revision) fork();
    way.hidden = true;
    work.hidden = false;
    work.open = clean(field.value) !== handedIn;
    work.querySelector("h2").textContent = "Change it and hand in again";
    say("");
    if (work.open) save();
    else saved = handedIn;
    typed();
  }

  // As the box writes it: `Tue 3 Jun 2025, 14:05`.
  function moment(atMs) {
    const at = new Date(atMs);
    const [day, month, date, year] = at.toDateString().split(" ");
    return day + " " + Number(date) + " " + month + " " + year + ", " + at.toTimeString().slice(0, 5);
  }

  function showReceipt(receipt) {
    const place = document.getElementById("receipts");
    const ticket = document.importNode(document.getElementById("new-receipt").content, true).firstElementChild;
    ticket.querySelector("[data-code]").textContent = receipt.code;
    const time = ticket.querySelector("[data-time]");
    time.dateTime = new Date(receipt.saved_at_ms).toISOString();
    time.textContent = moment(receipt.saved_at_ms);
    ticket.querySelector("[data-link]").href = "/learn/hand-ins/" + receipt.submission_id;
    const late = ticket.querySelector("[data-late]");
    late.hidden = !receipt.late_ms && receipt.is_clock_sure;
    late.textContent = receipt.is_clock_sure ? "It came late." : "The box was not sure of the time, so it does not count as late.";
    place.textContent = "";
    place.appendChild(ticket);
    ticket.focus();
  }

  function refused(entry, problem) {
    if (entry.id === "draft-" + revision && problem && problem.code === "already-handed-in") {
      fork();
      save();
    }
    if (entry.id !== underway) return;
    underway = null;
    way.hidden = true;
    work.hidden = false;
    work.open = true;
    button.disabled = false;
    say("Not handed in. " + (problem ? problem.title + ". " + problem.hint : "") + " Your text is kept on this phone.", true);
  }

  // Wiring

  async function start() {
    form.querySelector("[data-no-script]").hidden = true;
    const waiting = await Darasa.outbox.waiting();
    const mine = waiting.filter(function (entry) { return entry.kind === "hand-in" && entry.body.assessment_id === task; });
    if (mine.length && !arrived.has(mine[0].id)) {
      underway = mine[0].id;
      field.value = mine[0].body.body;
      saved = clean(field.value);
      showWay(true);
    } else {
      await gather();
    }
    typed();
  }

  const WAY = {
    sending: "Your work is kept on this phone. Sending it now.",
    waiting: "Your work is kept on this phone. The school box does not answer yet; it is sent by itself as soon as it does.",
    "sign-in": "Your work is kept on this phone. Type your PIN to send it.",
  };
  document.addEventListener("darasa:outbox", function (event) {
    const problem = event.detail.problem;
    if (!underway || !isOnPhone) return;
    if (problem && problem.status >= 500) wayWords("Your work is kept on this phone. " + problem.title + ". " + problem.hint);
    else if (WAY[event.detail.state]) wayWords(WAY[event.detail.state]);
  });
  document.addEventListener("darasa:delivered", function (event) {
    const entry = event.detail.entry;
    if (entry.kind === "draft") draftArrived(entry, event.detail.answer);
    else if (entry.kind === "hand-in" && entry.body.assessment_id === task) handedInNow(entry, event.detail.answer);
  });
  document.addEventListener("darasa:refused", function (event) { refused(event.detail.entry, event.detail.problem); });
  document.addEventListener("darasa:renamed", function (event) {
    if (event.detail.entry.id !== underway) return;
    underway = revision = event.detail.id;
  });

  field.addEventListener("input", typed);
  field.addEventListener("blur", save);
  window.addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", function () { if (document.hidden) save(); });
  window.addEventListener("beforeunload", function (event) {
    if (isOnPhone || (!underway && clean(field.value) === handedIn)) return;
    event.preventDefault();
    event.returnValue = "";
  });
  form.addEventListener("submit", handIn);
  start();
})();
