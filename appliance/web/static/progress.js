// Notices which parts of a lesson were read, and tells the box.
//
// A part is read when its end has stayed on the screen for a moment. The fact goes into the
// outbox, so it waits on the phone while there is no Wi-Fi. Reading works without this script.
(function () {
  "use strict";
  const Darasa = window.Darasa;
  const STAY_MS = 1500; // shorter is scrolling past

  const lesson = document.querySelector("[data-enrolment]");
  if (!lesson || !Darasa) return;
  const parts = Array.from(lesson.querySelectorAll("[data-section]"));
  const waiting = new Map(); // the end of a part -> its timer

  function send(part) {
    const fact = {
      id: Darasa.uuid7(),
      enrolment_id: lesson.dataset.enrolment,
      section_id: part.dataset.section,
      percent: 100,
      at_ms: Date.now(),
    };
    const request = { id: fact.id, kind: "progress", method: "POST", url: "/api/v1/progress-facts", body: { facts: [fact] } };
    if (Darasa.outbox) Darasa.outbox.put(request);
    else fetch(request.url, { method: "POST", credentials: "same-origin", headers: { "content-type": "application/json" }, body: JSON.stringify(request.body) });
  }

  function show() {
    const bar = document.querySelector("[data-lesson-progress]");
    if (!bar) return;
    const done = parts.filter(function (part) { return part.dataset.percent === "100"; }).length;
    const percent = Math.floor(100 * done / parts.length);
    bar.querySelector("progress").value = percent;
    bar.querySelector(".progress-text").textContent = percent + " %";
  }

  function finish(part) {
    if (part.dataset.percent === "100") return;
    part.dataset.percent = "100";
    part.querySelector("[data-state]").hidden = false;
    send(part);
    show();
  }

  function see(end, isVisible) {
    clearTimeout(waiting.get(end));
    waiting.delete(end);
    if (!isVisible) return;
    waiting.set(end, setTimeout(function () {
      // A phone in a pocket reads nothing; look again when it is taken out.
      if (!document.hidden) finish(end.parentNode);
    }, STAY_MS));
  }

  const ends = parts
    .filter(function (part) { return part.dataset.percent !== "100"; })
    .map(function (part) {
      const end = document.createElement("span");
      part.appendChild(end);
      return end;
    });

  function isOnScreen(end) {
    const box = end.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= window.innerHeight;
  }

  function lookAgain() {
    ends.forEach(function (end) { see(end, isOnScreen(end)); });
  }

  if ("IntersectionObserver" in window) {
    const observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) { see(entry.target, entry.isIntersecting); });
    });
    ends.forEach(function (end) { observer.observe(end); });
  } else {
    let last = 0;
    window.addEventListener("scroll", function () {
      clearTimeout(last);
      last = setTimeout(lookAgain, 200);
    });
    lookAgain();
  }
  document.addEventListener("visibilitychange", function () { if (!document.hidden) lookAgain(); });
})();
