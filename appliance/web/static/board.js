// Keeps the collect board fresh: asks every few seconds with the tag of what is shown, and
// is told "not modified" while nothing came in.
(function () {
  "use strict";
  const AGAIN_MS = 5000;
  let tag = "";

  async function look() {
    if (document.hidden) return;
    const answer = await fetch(location.href, {
      cache: "no-store",
      credentials: "same-origin",
      headers: { accept: "text/html", "if-none-match": tag },
    });
    if (answer.status !== 200 || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("board");
    if (!fresh) return;
    if (tag) replace(fresh);
    tag = answer.headers.get("etag") || "";
  }

  function replace(fresh) {
    const board = document.getElementById("board");
    const link = board.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    board.parentNode.replaceChild(document.importNode(fresh, true), board);
    const same = link && document.querySelector('#board a[href="' + link + '"]');
    if (same) same.focus();
  }

  function again() {
    look().catch(function () { /* no connection: the next look may find one */ }).then(function () { setTimeout(again, AGAIN_MS); });
  }

  document.addEventListener("visibilitychange", function () { if (!document.hidden) look().catch(function () {}); });
  again();
})();
