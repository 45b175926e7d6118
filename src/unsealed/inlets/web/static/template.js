// The page of a template: reads a file into the letter, and puts placeholders where the writing is. Saving and the
// preview work without it.

const html = document.querySelector("#html");
if (html) {
  const { say } = globalThis.texts;
  const form = html.form;
  const says = document.querySelector("[data-says]");
  const file = document.querySelector("[data-file]");
  const read = document.querySelector("[data-import]");
  const LARGEST = 2 * 1024 * 1024;

  read.hidden = false;
  read.addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    file.value = "";
    if (!chosen) return;
    if (chosen.size > LARGEST) {
      says.textContent = say("“%(name)s” has more than 2 MB. That is no letter.", { name: chosen.name });
      return;
    }
    html.value = decoded(await chosen.arrayBuffer());
    const [, title = ""] = html.value.match(/<title[^>]*>([^<]*)/i) ?? []; // the whole would bring its styles along
    for (const [name, value] of [["name", chosen.name.replace(/\.html?$/i, "")], ["subject", words(title)]]) {
      if (!form.elements[name].value) form.elements[name].value = value.slice(0, 80);
    }
    says.textContent = say("“%(name)s” was read in. Nothing is saved yet.", { name: chosen.name });
    form.querySelector("[formtarget=preview]").click();
  });

  // What came back with a mistake in it, or from another template, is shown at once.
  if (html.value.trim() && !document.querySelector("[name=preview]").hasAttribute("src")) form.querySelector("[formtarget=preview]").click();

  let place = html; // where the writing was last
  form.addEventListener("focusin", ({ target }) => {
    if ("place" in target.dataset && target.id !== "name") place = target;
  });
  for (const button of document.querySelectorAll("[data-put]")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      place.focus();
      place.setRangeText(button.dataset.put, place.selectionStart, place.selectionEnd, "end");
    });
  }
}

/** What a piece of HTML without tags says, on one line. */
function words(piece) {
  return new DOMParser().parseFromString(piece, "text/html").body.textContent.trim().replace(/\s+/g, " ");
}

/** Files of letters are UTF-8, or of the time before it. */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
