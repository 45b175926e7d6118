// A form that holds more than the server takes is kept here and says so: the page that would refuse it has not read it,
// and a browser that goes back from there shows the form empty.
for (const form of document.querySelectorAll("form[data-most]")) {
  const most = Number(form.dataset.most);
  const large = form.querySelector("textarea");
  const size = (bytes) => `${Math.ceil(bytes / 1024).toLocaleString(document.documentElement.lang)} kB`;
  large.addEventListener("input", () => large.setCustomValidity(""));
  form.addEventListener("submit", (event) => {
    const bytes = new URLSearchParams(new FormData(form)).toString().length;
    if (bytes <= most) return;
    event.preventDefault();
    large.setCustomValidity(globalThis.texts.say("What you entered has %(size)s, and %(most)s is the most that this form takes. Nothing was done: enter less.", { size: size(bytes), most: size(most) }));
    large.reportValidity();
  });
}
