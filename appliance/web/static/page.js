// What every page may use: say that scripts run, keep a double tap from sending a form
// twice (the server would answer the same both times; this saves the radio), print.
(function () {
  "use strict";
  document.documentElement.classList.add("js");

  document.addEventListener("submit", function (event) {
    if (event.defaultPrevented) return;
    const form = event.target;
    if (form.dataset.sending) {
      event.preventDefault();
      return;
    }
    form.dataset.sending = "yes";
    // Back from the next page the browser may show this one as it was left.
    window.addEventListener("pageshow", function () { delete form.dataset.sending; });
  });

  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-print], [data-confirm]");
    if (!button) return;
    if (button.hasAttribute("data-print")) window.print();
    else if (!window.confirm(button.getAttribute("data-confirm"))) event.preventDefault();
  });
})();
