// Big keys for a short number. Without scripts the field alone does the job.
(function () {
  "use strict";

  function prepare(pad) {
    const field = pad.querySelector("input");
    const length = Number(pad.dataset.length);
    pad.querySelector(".pin-keys").hidden = false;
    // Our keys replace the phone's keyboard; a real keyboard still types.
    field.setAttribute("inputmode", "none");
    pad.addEventListener("click", function (event) {
      const button = event.target.closest("[data-key]");
      if (!button) return;
      const key = button.dataset.key;
      if (key === "clear") field.value = "";
      else if (field.value.length < length) field.value += key;
      if (field.value.length === length) send(field.form);
    });
    field.addEventListener("input", function () {
      if (field.value.length === length) send(field.form);
    });
  }

  // Through the submit button, so that validation and submit listeners run.
  function send(form) {
    form.querySelector("[type=submit]").click();
  }

  document.querySelectorAll("[data-pin-pad]").forEach(prepare);
})();
