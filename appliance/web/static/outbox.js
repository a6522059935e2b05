// Requests that must reach the box, kept on this phone until it has answered.
//
//   Darasa.outbox.put({id, kind, method, url, body, …})   kind: hand-in, draft, progress
//
// The same request goes out under the same id until the box says 2xx, so a lost answer,
// a closed tab or a second tap delivers it once. Only the person who made it sends it:
// each request names that person, and the box refuses it in anybody else's session.
//
// Events on document, with detail:
//   darasa:outbox     {waiting, hand_ins, state, problem}   state: idle, sending, waiting, sign-in
//   darasa:delivered  {entry, answer}
//   darasa:refused    {entry, problem}     the box understood and said no; hand-ins stay here
//   darasa:renamed    {entry, id}          the id was taken by other words
(function () {
  "use strict";
  const Darasa = (window.Darasa = window.Darasa || {});
  if (Darasa.outbox) return;
  const meta = document.querySelector("meta[name=darasa-person]");
  if (!meta || !Darasa.store) return;

  const person = meta.content;
  const ANSWER_MS_MAX = 20000; // forty phones on one weak access point
  const RETRY_MS_FIRST = 1000;
  const RETRY_MS_MAX = 30000; // a box that was restarted is noticed within half a minute
  const RANK = { "hand-in": 0, draft: 1, progress: 2 };
  const SAY_NO = new Set([400, 403, 404, 405, 409, 410, 412, 413, 415, 422]);

  let state = "idle";
  let problem = null; // why the last try did not work, in the box's words
  let failures = 0;
  let timer = 0;
  let isSending = false;
  let isWanted = false; // something was put while sending
  const given_up = new Set(); // ids the box refused since this page was opened

  function tell(name, detail) {
    document.dispatchEvent(new CustomEvent("darasa:" + name, { detail: detail }));
  }

  async function waiting() {
    const entries = await Darasa.store.all("outbox", person);
    return entries.sort(function (a, b) { return RANK[a.kind] - RANK[b.kind] || a.made_at - b.made_at; });
  }

  async function report(newState, newProblem) {
    state = newState;
    problem = newProblem || null;
    const entries = await waiting();
    const hand_ins = entries.filter(function (entry) { return entry.kind === "hand-in"; });
    tell("outbox", { waiting: entries.length, hand_ins: hand_ins, state: state, problem: problem });
  }

  function read(text) {
    try { return JSON.parse(text); } catch (error) { return null; }
  }

  // Resolves with {status, answer}; 0 when nobody answered, or somebody who is not the box
  // (a hotel page answers 200 to everything).
  function send(entry) {
    return new Promise(function (resolve) {
      const request = new XMLHttpRequest();
      request.open(entry.method, entry.url);
      request.timeout = ANSWER_MS_MAX;
      request.setRequestHeader("content-type", "application/json");
      request.setRequestHeader("accept", "application/json");
      request.setRequestHeader("darasa-person", person);
      request.onload = function () {
        const type = request.getResponseHeader("content-type") || "";
        const isOurs = request.status === 204 || /^application\/(problem\+)?json/.test(type);
        resolve({
          status: isOurs ? request.status : 0,
          answer: read(request.responseText),
          wait_s: Number(request.getResponseHeader("retry-after")) || 0,
        });
      };
      request.onerror = request.ontimeout = request.onabort = function () {
        resolve({ status: 0, answer: null, wait_s: 0 });
      };
      request.send(JSON.stringify(entry.body));
    });
  }

  function isKept(entry, told) {
    if (told.status < 200 || told.status > 299) return false;
    return entry.kind !== "hand-in" || Boolean(told.answer && told.answer.revision_id === entry.id);
  }

  async function forget(entry) {
    await Darasa.store.remove("outbox", person, entry.id, entry.mark);
  }

  // The id was used for other words; these get their own: the one they were put with, so that
  // two tabs, or a tab that dies half-way and another, do not make two of them.
  async function rename(entry) {
    const id = entry.spare_id;
    const renamed = Object.assign({}, entry, { id: id, spare_id: Darasa.uuid7(), url: entry.url.replace(entry.id, id) });
    await Darasa.store.put("outbox", person, id, renamed);
    await forget(entry);
    tell("renamed", { entry: entry, id: id });
    isWanted = true;
  }

  async function refused(entry, answer) {
    if (entry.kind === "hand-in" && answer && answer.code === "revision-id-taken") {
      await rename(entry);
      return;
    }
    if (entry.kind === "hand-in") given_up.add(entry.id); // a pupil's work is never thrown away
    else await forget(entry);
    tell("refused", { entry: entry, problem: answer });
  }

  // Returns whether the next entry may follow at once.
  async function deliver(entry) {
    const told = await send(entry);
    if (isKept(entry, told)) {
      failures = 0;
      await forget(entry);
      tell("delivered", { entry: entry, answer: told.answer });
      return true;
    }
    if (told.status === 401) {
      await report("sign-in", told.answer);
      tell("sign-in-needed", told.answer);
      return false;
    }
    if (SAY_NO.has(told.status)) {
      await refused(entry, told.answer);
      return true;
    }
    failures += 1;
    await report("waiting", told.status ? told.answer : null);
    later(told.wait_s); // last, or it rings while flush() still runs and nobody hears it
    return false;
  }

  // Full jitter: after a power cut a whole class must not knock in step.
  function later(wait_s) {
    const most = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * Math.pow(2, failures - 1));
    clearTimeout(timer);
    timer = setTimeout(flush, wait_s * 1000 + Math.random() * most);
  }

  async function sendAll() {
    for (const entry of await waiting()) {
      if (given_up.has(entry.id)) continue;
      await report("sending", problem);
      if (!(await deliver(entry))) return false;
    }
    return true;
  }

  async function flush() {
    if (isSending) {
      isWanted = true;
      return;
    }
    isSending = true;
    clearTimeout(timer);
    try {
      do {
        isWanted = false;
        if (!(await sendAll())) return;
        if (!isWanted) await report("idle");
      } while (isWanted); // also what was put during the report
    } finally {
      isSending = false;
    }
  }

  // The person closed the question for the PIN; a hand-in is worth asking again.
  function ask(entry) {
    if (entry.kind === "hand-in") tell("sign-in-needed", problem);
  }

  function wake() {
    if (state !== "sign-in") flush();
  }

  Darasa.outbox = {
    person: person,
    // Resolves once the phone has it, with the place it is kept in (see store.js).
    put: async function (entry) {
      const kept = Object.assign({ made_at: Date.now(), spare_id: Darasa.uuid7() }, entry, { mark: Darasa.uuid7() });
      given_up.delete(entry.id); // asked for once more
      const place = await Darasa.store.put("outbox", person, entry.id, kept);
      if (state === "sign-in") ask(entry);
      else if (state !== "waiting" || entry.kind === "hand-in") flush(); // the timer sends the rest
      return place;
    },
    drop: function (id) { return Darasa.store.remove("outbox", person, id); },
    waiting: waiting,
    resume: function () { state = "idle"; flush(); }, // after signing in again
  };

  window.addEventListener("online", wake);
  document.addEventListener("visibilitychange", function () { if (!document.hidden) wake(); });
  flush();
})();
