// Ids that this phone mints for what is made on it (UUID version 7: time first, then
// chance). The same id goes with every retry, so nothing arrives twice.
(function () {
  "use strict";
  const Darasa = (window.Darasa = window.Darasa || {});

  Darasa.uuid7 = function () {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    let now = Date.now();
    for (let place = 5; place >= 0; place -= 1) {
      bytes[place] = now % 256;
      now = Math.floor(now / 256);
    }
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    const hex = Array.from(bytes, function (byte) { return (byte + 256).toString(16).slice(1); }).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  };
})();
