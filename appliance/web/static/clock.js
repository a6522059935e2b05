// The phone's own clock: shown on the button that sets the box by it, and sent with it.
(function () {
  "use strict";
  const AGAIN_MS = 1000;
  const forms = Array.from(document.querySelectorAll("form[data-phone-clock]"));

  function two(number) {
    return (number < 10 ? "0" : "") + number;
  }

  function show() {
    const now = new Date();
    const words = ": " + now.toDateString() + ", " + two(now.getHours()) + ":" + two(now.getMinutes());
    forms.forEach(function (form) { form.querySelector("[data-phone-time]").textContent = words; });
  }

  forms.forEach(function (form) {
    form.addEventListener("submit", function () {
      form.elements.phone_ms.value = String(Date.now());
    });
  });
  if (forms.length) {
    show();
    setInterval(show, AGAIN_MS);
  }
})();
