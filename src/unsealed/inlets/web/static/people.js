// A field for recipients: who is chosen stands as a chip in front of a combobox that suggests people written to before.
// What was typed is never changed: the value is an address list, chip by chip, and the server says what is wrong with it.

const PAUSE_MS = 120;
const PART = /(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,;\n"<]|["<])+/g;

const split = (text) => (text.match(PART) || []).map((part) => part.trim()).filter(Boolean);
const address = (part) => (part.match(/<([^>]*)>\s*$/)?.[1] ?? part).trim();
const name = (part) => part.replace(/\s*<[^>]*>\s*$/, "").replace(/^"(.*)"$/, "$1").replace(/\\(.)/g, "$1") || address(part);
const written = ({ address, name }) => (name ? `"${name.replace(/["\\]/g, "\\$&")}" <${address}>` : address);

export class People {
  #chosen = [];
  #suggested = [];
  #active = -1;
  #asked = 0;

  /** ask: what was typed -> [{address, name}]; changed: called after every change; close: an icon for "remove". */
  constructor(box, { ask, changed, close }) {
    [this.chips, this.input, this.list] = [box.querySelector("ul"), box.querySelector("input"), box.querySelector("[role=listbox]")];
    Object.assign(this, { ask, changed, close });
    box.addEventListener("click", (event) => { if (event.target === box || event.target === this.chips) this.input.focus(); });
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("blur", () => { this.#shut(); this.#take(); });
    this.input.addEventListener("paste", () => setTimeout(() => { if (/[,;\n]/.test(this.input.value)) this.#take(); }));
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) this.#choose([...this.list.children].indexOf(option));
    });
  }

  get value() { return [...this.#chosen, this.input.value.trim()].filter(Boolean).join(", "); }

  set value(text) {
    this.#chosen = split(text);
    this.input.value = "";
    this.#draw();
  }

  /** Who it is, for people. */
  get words() { return this.#chosen.map(name).join(", "); }

  /** The first address, or "". */
  get first() { return address(this.#chosen[0] || ""); }

  /** The first as it was written, with a name perhaps, or "". */
  get first_written() { return this.#chosen[0] || ""; }

  #draw() {
    this.chips.replaceChildren(...this.#chosen.map((part, index) => {
      const chip = document.createElement("li");
      chip.className = address(part).includes("@") ? "person" : "person less";
      chip.title = address(part);
      const who = document.createElement("span");
      who.className = "one";
      who.textContent = name(part);
      const off = document.createElement("button");
      off.type = "button";
      off.setAttribute("aria-label", globalThis.texts.say("Remove %(name)s", { name: name(part) }));

      off.append(this.close());
      off.addEventListener("click", () => { this.#chosen.splice(index, 1); this.#draw(); this.input.focus(); this.changed(); });
      chip.append(who, off);
      return chip;
    }));
  }

  /** What stands in the field becomes chips. */
  #take() {
    const parts = split(this.input.value);
    if (!parts.length) return;
    this.#chosen.push(...parts);
    this.input.value = "";
    this.#draw();
    this.changed();
  }

  #typed() {
    this.changed();
    clearTimeout(this.wait);
    if (/[,;]\s*$/.test(this.input.value) && split(this.input.value).length) { this.#shut(); this.#take(); return; }
    this.wait = setTimeout(() => this.#suggest(), PAUSE_MS);
  }

  async #suggest() {
    const typed = this.input.value.trim();
    const turn = ++this.#asked;
    const found = typed ? await this.ask(typed) : [];
    if (turn !== this.#asked || document.activeElement !== this.input) return;
    const pointed = this.#suggested[this.#active]?.address;
    const there = new Set(this.#chosen.map((part) => address(part).toLowerCase()));
    this.#suggested = found.filter((each) => !there.has(each.address.toLowerCase()));
    this.list.replaceChildren(...this.#suggested.map((each, index) => {
      const option = document.createElement("li");
      option.id = `${this.list.id}-${index}`;
      option.setAttribute("role", "option");
      const [who, where] = [document.createElement("b"), document.createElement("span")];
      who.textContent = each.name || each.address;
      where.textContent = each.name ? each.address : "";
      option.append(who, " ", where);
      return option;
    }));
    this.#open(Boolean(this.#suggested.length));
    this.#point(this.#suggested.findIndex((each) => each.address === pointed));
  }

  #open(wanted) {
    this.list.hidden = !wanted;
    this.input.setAttribute("aria-expanded", String(wanted));
  }

  #shut() {
    clearTimeout(this.wait);
    this.#asked++;
    this.#open(false);
    this.#point(-1);
  }

  #point(index) {
    this.#active = index;
    [...this.list.children].forEach((each, at) => each.setAttribute("aria-selected", String(at === index)));
    const option = this.list.children[index];
    if (option) { this.input.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
    else this.input.removeAttribute("aria-activedescendant");
  }

  #choose(index) {
    this.#chosen.push(written(this.#suggested[index]));
    this.input.value = "";
    this.#shut();
    this.#draw();
    this.changed();
  }

  #key(event) {
    const shown = !this.list.hidden;
    const count = this.list.children.length;
    if (event.key === "ArrowDown" && shown) this.#point((this.#active + 1) % count);
    else if (event.key === "ArrowUp" && shown) this.#point(this.#active <= 0 ? count - 1 : this.#active - 1);
    else if (event.key === "Escape" && shown) { event.stopPropagation(); this.#shut(); }
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      if (this.#active >= 0) this.#choose(this.#active); else { this.#shut(); this.#take(); }
    } else if (event.key === "Tab" && shown && this.#active >= 0) { this.#choose(this.#active); return; }
    else if (event.key === "Backspace" && !this.input.value && this.#chosen.length) {
      this.input.value = this.#chosen.pop(); // back into the field, where it can be mended
      this.#draw();
      this.changed();
    } else return;
    event.preventDefault();
  }
}
