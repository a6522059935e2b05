// Where this phone keeps what must not be lost: drafts, and requests the box has not
// answered yet. IndexedDB, else localStorage, else only the memory of this page.
//
// Every key begins with the person, so what one pupil left on a shared phone is neither
// shown to nor sent for another. It is not encrypted: plain HTTP gives a page no way to.
(function () {
  "use strict";
  const Darasa = (window.Darasa = window.Darasa || {});
  if (Darasa.store) return;

  const SHELF = "kept";
  const OPEN_MS_MAX = 3000; // some private windows never answer
  const PREFIX = "darasa/"; // of keys in localStorage

  function openIndexed() {
    return new Promise(function (resolve, reject) {
      setTimeout(reject, OPEN_MS_MAX, new Error("IndexedDB does not answer"));
      const request = indexedDB.open("darasa", 1);
      request.onupgradeneeded = function () { request.result.createObjectStore(SHELF); };
      request.onerror = function () { reject(request.error); };
      request.onsuccess = function () {
        // A newer page may need to change the database; reloading will open it again.
        request.result.onversionchange = function () { request.result.close(); };
        resolve(indexed(request.result));
      };
    });
  }

  function indexed(database) {
    // Resolves once the transaction is on the phone's disk, not when it is merely asked for.
    function run(mode, act) {
      return new Promise(function (resolve, reject) {
        const transaction = database.transaction(SHELF, mode, { durability: "strict" });
        const box = {};
        transaction.oncomplete = function () { resolve(box.answer); };
        transaction.onabort = function () { reject(transaction.error); };
        act(transaction.objectStore(SHELF), box);
      });
    }
    return {
      name: "indexed",
      put: function (key, value) {
        return run("readwrite", function (shelf) { shelf.put(value, key); });
      },
      remove: function (key, mark) {
        return run("readwrite", function (shelf) {
          const found = shelf.get(key);
          found.onsuccess = function () {
            if (found.result && (!mark || found.result.mark === mark)) shelf.delete(key);
          };
        });
      },
      all: function (prefix) {
        return run("readonly", function (shelf, box) {
          box.answer = [];
          const found = shelf.getAll(IDBKeyRange.bound(prefix, prefix + "\uffff"));
          found.onsuccess = function () { box.answer = found.result; };
        });
      },
    };
  }

  // localStorage, or an object that lives as long as the page.
  function plain(name, read, write, keys) {
    return {
      name: name,
      put: async function (key, value) { write(key, value); },
      remove: async function (key, mark) {
        const found = read(key);
        if (found && (!mark || found.mark === mark)) write(key, null);
      },
      all: async function (prefix) {
        return keys().filter(function (key) { return key.indexOf(prefix) === 0; }).map(read);
      },
    };
  }

  function local() {
    const shelf = window.localStorage;
    function write(key, value) {
      if (value === null) shelf.removeItem(PREFIX + key);
      else shelf.setItem(PREFIX + key, JSON.stringify(value));
    }
    write("try", { mark: "" }); // a phone that refuses does it here
    write("try", null);
    return plain(
      "local",
      function (key) { return JSON.parse(shelf.getItem(PREFIX + key)); },
      write,
      function () {
        return Object.keys(shelf)
          .filter(function (key) { return key.indexOf(PREFIX) === 0; })
          .map(function (key) { return key.slice(PREFIX.length); });
      }
    );
  }

  function memory() {
    const shelf = new Map();
    return plain(
      "memory",
      function (key) { return shelf.get(key); },
      function (key, value) { if (value === null) shelf.delete(key); else shelf.set(key, value); },
      function () { return Array.from(shelf.keys()); }
    );
  }

  // What this phone has, best first.
  async function shelves() {
    const found = [];
    try { found.push(await openIndexed()); } catch (error) { /* the next one, then */ }
    try { found.push(local()); } catch (error) { /* refused by the phone's settings */ }
    found.push(memory());
    return found;
  }
  const ready = shelves();

  function key(shelf, person, id) { return shelf + "/" + person + "/" + id; }

  Darasa.store = {
    // Keep a value; resolves with the name of the place, "memory" if only this page has it.
    put: async function (shelf, person, id, value) {
      const at = key(shelf, person, id);
      const places = await ready;
      for (const place of places) {
        try {
          await place.put(at, value);
        } catch (error) {
          continue; // full, or taken away meanwhile
        }
        for (const other of places) {
          if (other !== place) await other.remove(at).catch(function () {});
        }
        return place.name;
      }
      throw new Error("memory never refuses");
    },
    // Forget a value; with a mark only if it still is the one with that mark.
    remove: async function (shelf, person, id, mark) {
      for (const place of await ready) {
        await place.remove(key(shelf, person, id), mark).catch(function () {});
      }
    },
    // Everything this person left on a shelf.
    all: async function (shelf, person) {
      const found = [];
      for (const place of await ready) {
        found.push.apply(found, await place.all(key(shelf, person, "")).catch(function () { return []; }));
      }
      return found;
    },
  };
})();
