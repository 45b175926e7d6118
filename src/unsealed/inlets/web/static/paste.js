// The buttons that copy tracked HTML. Without scripts the text can be marked and copied by hand.

for (const button of document.querySelectorAll("[data-copies]")) {
  const text = document.getElementById(button.dataset.copies);
  const said = button.parentElement.querySelector("[role=status]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
      said.textContent = globalThis.texts.say("Copied.");
    } catch {
      said.textContent = globalThis.texts.say("Marked: copy it with your keyboard.");
    }
  });
}
