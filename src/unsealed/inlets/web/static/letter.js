// The letter that is being written: the editor, its toolbar and its links. What leaves it is plain HTML that mail
// programs know; it never holds a pixel, a rewritten link or the message that is answered.

const { say } = globalThis.texts;

const COLOURS = [
  [say("Ink"), ""],
  [say("Red"), "#c0392b"],
  [say("Orange"), "#b35900"],
  [say("Green"), "#2e7d32"],
  [say("Blue"), "#1a6fc4"],
  [say("Purple"), "#8e44ad"],
  [say("Grey"), "#6b7280"],
];

const TOOLS = {
  bold: { run: (chain) => chain.toggleBold(), on: "bold" },
  italic: { run: (chain) => chain.toggleItalic(), on: "italic" },
  underline: { run: (chain) => chain.toggleUnderline(), on: "underline" },
  strike: { run: (chain) => chain.toggleStrike(), on: "strike" },
  heading: { run: (chain) => chain.toggleHeading({ level: 2 }), on: "heading" },
  list: { run: (chain) => chain.toggleBulletList(), on: "bulletList" },
  numbers: { run: (chain) => chain.toggleOrderedList(), on: "orderedList" },
  quote: { run: (chain) => chain.toggleBlockquote(), on: "blockquote" },
  left: { run: (chain) => chain.setTextAlign("left"), on: { textAlign: "left" } },
  centre: { run: (chain) => chain.setTextAlign("center"), on: { textAlign: "center" } },
  right: { run: (chain) => chain.setTextAlign("right"), on: { textAlign: "right" } },
  clear: { run: (chain) => chain.unsetAllMarks().clearNodes().unsetTextAlign() },
  undo: { run: (chain) => chain.undo(), can: "undo" },
  redo: { run: (chain) => chain.redo(), can: "redo" },
};

const NO = new Set(["off", "no", "false", "0"]); // as the server reads these marks
const isOff = (link) => NO.has((link.getAttribute("data-unsealed") ?? link.getAttribute("data-track") ?? "").trim().toLowerCase());

// The policy of our pages lets no parser meet a style attribute, not even in a document that is never shown. Before
// anything is parsed they get another name; what the editor writes carries them as styles again.
const unstyled = (html) => html.replace(/(<[a-z][^<>]*?\s)style(\s*=)/gi, "$1data-style$2");
const declared = (element, name) => element.getAttribute("data-style")?.match(new RegExp(`(?:^|;)\\s*${name}\\s*:\\s*([^;]+)`, "i"))?.[1].trim() || null;
// All that no attribute of its own holds.
const OWN = { SPAN: "color", P: "text-align", H1: "text-align", H2: "text-align", H3: "text-align" };
const rest = (element) => {
  const styles = (element.getAttribute("data-style") || "").split(";").map((each) => each.trim());
  return styles.filter((each) => each && each.split(":")[0].trim().toLowerCase() !== OWN[element.tagName]).join("; ") || null;
};
const plain = (...names) => Object.fromEntries(names.map((name) => [name, { default: null }]));
const styled = (name, property) => (attributes) => (attributes[name] ? { style: `${property}: ${attributes[name]}` } : {});

const AROUND = new Set(["TBODY", "THEAD", "TFOOT"]); // say nothing of looks
const TWINS = { B: "STRONG", I: "EM", DEL: "S", STRIKE: "S", FONT: "SPAN" };
const USUAL = { colspan: "1", rowspan: "1", start: "1", "data-unsealed": "off" };
/** All that a letter's looks are made of, to be compared with another's. */
const looks = (html) => [...new DOMParser().parseFromString(unstyled(html), "text/html").body.querySelectorAll("*")].flatMap((element) => {
  if (AROUND.has(element.tagName)) return [];
  const own = [...element.attributes].flatMap(({ name, value }) => {
    if (name === "data-style") return value.split(";").map((each) => each.split(":")[0].trim().toLowerCase()).filter(Boolean);
    if (name === "align" && !["TABLE", "IMG"].includes(element.tagName)) return ["text-align"];
    return USUAL[name] === value ? [] : [name];
  });
  const tag = TWINS[element.tagName] || element.tagName;
  const unsaid = tag === "SPAN" || (tag === "P" && ["LI", "BLOCKQUOTE"].includes(element.parentElement.tagName));
  return unsaid && !own.length ? [] : [tag, ...own];
}).sort().join();
/** A letter with its nth link switched off for tracking, or on; null when its links are not the `count` that are known. */
const switched = (html, n, count, off) => {
  const links = [...html.matchAll(/<a\s[^<>]*\bhref\s*=[^<>]*>/gi)];
  if (links.length !== count) return null;
  const [{ 0: before, index }] = links.slice(n, n + 1);
  const bare = before.replace(/\sdata-unsealed\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*)/gi, "");
  return html.slice(0, index) + (off ? bare.replace(/>$/, ' data-unsealed="off">') : bare) + html.slice(index + before.length);
};

/** What the editor knows. Anything else that is pasted is passed over, its text kept. */
const extensions = (kit, letter) => {
  const Link = kit.Link.extend({
    inclusive: false,
    addAttributes: () => ({
      href: { default: null },
      title: { default: null },
      off: { default: null, parseHTML: (link) => (isOff(link) ? true : null), renderHTML: ({ off }) => (off ? { "data-unsealed": "off" } : {}) },
    }),
    addKeyboardShortcuts: () => ({ "Mod-k": () => { letter.askLink(); return true; } }),
  });
  const HardBreak = kit.HardBreak.extend({ addKeyboardShortcuts() { return { "Shift-Enter": () => this.editor.commands.setHardBreak() }; } });
  // Tab leaves the letter from everywhere: a list is no trap for the keyboard.
  const ListItem = kit.ListItem.extend({
    addKeyboardShortcuts() {
      const command = (what) => () => this.editor.commands[what](this.name);
      return { Enter: command("splitListItem"), "Mod-]": command("sinkListItem"), "Mod-[": command("liftListItem") };
    },
  });
  const OrderedList = kit.OrderedList.extend({ addAttributes: () => ({ start: { default: 1, parseHTML: (list) => Number(list.getAttribute("start")) || 1 } }), addNodeView: null });
  const Image = kit.Image.extend({
    addAttributes: () => ({ src: { default: null }, alt: { default: "" }, title: { default: null }, width: { default: null }, height: { default: null } }),
    addNodeView: () => ({ node }) => {
      const { src, alt } = node.attrs;
      if (new URL(src || "", location.href).origin === location.origin || src?.startsWith("data:")) {
        const picture = document.createElement("img");
        Object.assign(picture, { src, alt });
        return { dom: picture };
      }
      const stand_in = document.createElement("span"); // nothing is loaded from outside
      stand_in.className = "picture";
      const host = new URL(src, location.href).host || say("elsewhere");
      stand_in.textContent = alt ? say("Picture from %(host)s: %(words)s", { host, words: alt }) : say("Picture from %(host)s", { host });
      return { dom: stand_in };
    },
  });
  const Table = kit.Table.extend({ addNodeView: null }); // drawn as it will be
  const TextStyle = kit.TextStyle.extend({ parseHTML: () => [{ tag: "span[data-style]", consuming: false }, { tag: "font[color]", consuming: false }] });
  const TextAlign = kit.TextAlign.extend({
    addGlobalAttributes() {
      const textAlign = { default: null, parseHTML: (block) => declared(block, "text-align") || block.getAttribute("align"), renderHTML: styled("textAlign", "text-align") };
      return [{ types: this.options.types, attributes: { textAlign } }];
    },
  });
  // The look of letters made elsewhere survives in their words, blocks and tables.
  const Looks = kit.Extension.create({
    name: "looks",
    addGlobalAttributes: () => [
      { types: ["textStyle"], attributes: { color: { default: null, parseHTML: (span) => declared(span, "color") || span.getAttribute("color"), renderHTML: styled("color", "color") } } },
      {
        types: ["textStyle", "link", "paragraph", "heading", "blockquote", "bulletList", "orderedList", "listItem", "table", "tableRow", "tableCell", "tableHeader", "image"],
        attributes: { style: { default: null, parseHTML: rest } },
      },
      { types: ["paragraph", "heading", "blockquote", "listItem", "table", "tableCell", "tableHeader"], attributes: plain("dir", "lang") },
      { types: ["table", "image"], attributes: plain("align") },
      { types: ["table", "tableRow", "tableCell", "tableHeader"], attributes: plain("width", "height", "bgcolor", "cellpadding", "cellspacing", "border", "valign") },
    ],
  });
  const Marked = kit.Extension.create({
    name: "marked",
    addProseMirrorPlugins: () => [
      new kit.Plugin({
        props: {
          decorations: (state) => {
            const { Decoration, DecorationSet } = kit.pm.view;
            const marks = letter.linksOf(state.doc).map(({ from, to, off }, n) =>
              Decoration.inline(from, to, { class: off || letter.tracked[n] === false ? "left-alone" : "tracked" }));
            return DecorationSet.create(state.doc, marks);
          },
        },
      }),
    ],
  });
  return [
    kit.Document, kit.Paragraph, kit.Text, HardBreak, kit.Bold, kit.Italic, kit.Underline, kit.Strike, kit.Subscript, kit.Superscript, kit.Code,
    kit.Heading.configure({ levels: [1, 2, 3] }), kit.BulletList, OrderedList, ListItem, kit.Blockquote, kit.HorizontalRule,
    TextStyle, TextAlign.configure({ types: ["heading", "paragraph"] }),
    Link.configure({ openOnClick: false, autolink: true, linkOnPaste: true, defaultProtocol: "https" }),
    Image.configure({ inline: true }), Table.configure({ resizable: false }), kit.TableRow, kit.TableCell, kit.TableHeader,
    kit.UndoRedo, kit.Dropcursor, kit.Gapcursor, kit.Placeholder.configure({ placeholder: say("Write here") }), Looks, Marked,
  ];
};

/** Lines that were typed before the editor was there: each is a paragraph, spaces stay as they are. */
const begun = (typed) => ({
  type: "doc",
  content: typed.split("\n").map((line) => ({ type: "paragraph", ...(line ? { content: [{ type: "text", text: line }] } : {}) })),
});
/** Where the nth letter of it stands in the editor: each paragraph has an end and a beginning. */
const placeIn = (typed, n) => n + typed.slice(0, n).split("\n").length;

export class Letter {
  tracked = []; // what the server said of each link, in the order of the letter
  #kit;
  #source; // the letter that was put in, and what the editor made of it
  #places = []; // where something will be put, in the order in which they were chosen

  /** kit: the editor's module; content: the letter, or typed: words that a letter was begun with, and what of them is
   *  chosen; changed: after every change; files: takes what is pasted or dropped; askLink: Ctrl+K. */
  constructor(kit, { place, tools, swatches, changed, files, askLink, content, typed, chosen }) {
    Object.assign(this, { tools, swatches, askLink });
    this.#kit = kit;
    const dropped = (list) => { const taken = [...(list || [])]; if (taken.length) files(taken); return taken.length > 0; };
    this.editor = new kit.Editor({
      element: place,
      injectCSS: false, // the policy of our pages allows no style from scripts
      extensions: extensions(kit, this),
      content: typed ? begun(typed) : unstyled(content),
      editorProps: {
        attributes: { class: "letter", id: "letter", role: "textbox", "aria-multiline": "true", "aria-label": say("Letter"), "aria-describedby": "html-says" },
        transformPastedHTML: unstyled,
        handlePaste: (_, event) => !event.clipboardData?.getData("text/html") && dropped(event.clipboardData?.files),
        handleDrop: (_, event) => dropped(event.dataTransfer?.files),
      },
      onUpdate: changed,
      onTransaction: ({ transaction }) => {
        this.#show();
        if (!transaction.docChanged) return;
        for (const each of this.#places) each.at = transaction.mapping.map(each.at, -1);
        this.#paper(place);
      },
    });
    this.#source = { html: typed ? this.editor.getHTML() : content, doc: this.editor.state.doc };
    if (typed) this.editor.commands.setTextSelection({ from: placeIn(typed, chosen[0]), to: placeIn(typed, chosen[1]) });
    this.#bar();
    this.#show();
    this.#paper(place);
  }

  /** The letter. As long as nobody has changed it, it is to the letter what was put in. */
  get html() { return this.#untouched ? this.#source.html : this.editor.isEmpty ? "" : this.editor.getHTML(); }
  set html(text) {
    this.editor.commands.setContent(unstyled(text), { emitUpdate: false });
    this.#source = { html: text, doc: this.editor.state.doc };
  }
  get #untouched() { return this.editor.state.doc.eq(this.#source.doc); }
  /** Whether the editor shows, and keeps, all that this letter's looks are made of. */
  shows(html) { return !html || looks(html) === looks(this.editor.isEmpty ? "" : this.editor.getHTML()); }
  get text() { return this.editor.getText({ blockSeparator: "\n\n" }); }

  focus(where = null) { this.#chain().focus(where).run(); }
  put(html) { this.#chain().insertContent(unstyled(html)).scrollIntoView().run(); }

  /** Behind what is chosen now. It moves with the text while somebody writes on. */
  place() {
    const place = { at: this.editor.state.selection.to };
    this.#places.push(place);
    return place;
  }
  /** Nothing will be put there. */
  forget(place) { this.#places = this.#places.filter((each) => each !== place); }
  /** Put a picture at a place. It replaces nothing; several chosen at once stand in their order. */
  putPicture(place, attributes) {
    const { state, view } = this.editor;
    const at = this.#kit.pm.state.Selection.near(state.doc.resolve(place.at), -1).to; // in the words, not between blocks
    const later = this.#places.slice(this.#places.indexOf(place) + 1).filter((each) => each.at === place.at);
    this.forget(place);
    const transaction = state.tr.insert(at, state.schema.nodes.image.create(attributes));
    view.dispatch(transaction);
    for (const each of later) each.at = at + 1;
  }

  /** Commands on the letter, which has the keyboard at once: the editor's own focus() waits for the next frame, and a
   *  key that comes before would go elsewhere. */
  #chain() {
    this.editor.view.focus();
    return this.editor.chain();
  }

  // ---------------------------------------------------------------- links

  /** The links of a document in the order of its HTML: neighbours with the same mark are one. */
  linksOf(doc) {
    const found = [];
    doc.descendants((node, at, parent) => {
      const mark = node.isInline && node.marks.find((each) => each.type.name === "link" && each.attrs.href);
      if (!mark) return;
      const last = found.at(-1);
      if (last && last.to === at && last.parent === parent && last.mark.eq(mark)) last.to = at + node.nodeSize;
      else found.push({ from: at, to: at + node.nodeSize, parent, mark, href: mark.attrs.href, off: Boolean(mark.attrs.off) });
    });
    return found;
  }

  /** Switch the nth link on or off for tracking. */
  track(n, wanted) {
    const link = this.linksOf(this.editor.state.doc)[n];
    if (!link) return;
    const mark = link.mark.type.create({ ...link.mark.attrs, off: wanted ? null : true });
    // That is no change of the words: what was put in gets the mark too, and stays as it is.
    const html = this.#untouched ? switched(this.#source.html, n, this.linksOf(this.editor.state.doc).length, !wanted) : null;
    this.editor.view.dispatch(this.editor.state.tr.addMark(link.from, link.to, mark));
    if (html !== null) this.#source = { html, doc: this.editor.state.doc };
  }

  /** What the server decided; shown as the line under each link. */
  judge(tracked) {
    if (tracked.length === this.tracked.length && tracked.every((each, n) => each === this.tracked[n])) return;
    this.tracked = tracked;
    this.editor.view.dispatch(this.editor.state.tr.setMeta("addToHistory", false));
  }

  /** The link under the cursor, or what is chosen to become one. */
  get link() {
    const { from, to } = this.editor.state.selection;
    const inside = (each) => (from === to ? each.from < from && from < each.to : each.from <= from && to <= each.to);
    const here = this.linksOf(this.editor.state.doc).find(inside);
    const within = here || { from, to, href: "" };
    return { ...within, text: this.editor.state.doc.textBetween(within.from, within.to, " ") };
  }

  putLink({ from, to, text: before, mark }, href, text) {
    const chain = this.#chain();
    if (!href) chain.setTextSelection({ from, to }).unsetLink().run();
    else if (text === before && text) chain.setTextSelection({ from, to }).setMark("link", { ...mark?.attrs, href }).setTextSelection(to).run();
    else chain.insertContentAt({ from, to }, { type: "text", text: text || href, marks: [{ type: "link", attrs: { ...mark?.attrs, href } }] }).run();
  }

  // ---------------------------------------------------------------- toolbar

  #bar() {
    const buttons = [...this.tools.querySelectorAll("[data-tool]")];
    const stop = (button) => { for (const each of buttons) each.tabIndex = each === button ? 0 : -1; };
    stop(buttons[0]);
    this.tools.addEventListener("focusin", (event) => { if (buttons.includes(event.target)) stop(event.target); });
    this.tools.addEventListener("keydown", (event) => {
      const at = buttons.indexOf(event.target);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (at < 0 || to === undefined) return;
      event.preventDefault();
      buttons.at(to % buttons.length).focus();
    });
    this.tools.addEventListener("mousedown", (event) => { if (event.target.closest("[data-tool]")) event.preventDefault(); }); // what is chosen stays chosen
    this.tools.addEventListener("click", (event) => {
      const tool = event.target.closest("[data-tool]")?.dataset.tool;
      if (tool === "link") this.askLink();
      else if (tool === "colour") this.#swatch(this.swatches.hidden);
      else if (TOOLS[tool]) TOOLS[tool].run(this.#chain()).run();
    });
    this.swatches.replaceChildren(...COLOURS.map(([name, colour]) => {
      const swatch = document.createElement("button");
      Object.assign(swatch, { type: "button", className: "swatch", title: name });
      swatch.setAttribute("aria-label", name);
      swatch.style.color = colour;
      swatch.addEventListener("click", () => {
        this.#chain().setMark("textStyle", { color: colour || null }).removeEmptyTextStyle().run();
        this.#swatch(false);
      });
      return swatch;
    }));
    this.swatches.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#swatch(false);
      this.tools.querySelector("[data-tool=colour]").focus();
    });
  }

  #swatch(wanted) {
    this.swatches.hidden = !wanted;
    this.tools.querySelector("[data-tool=colour]").setAttribute("aria-expanded", String(wanted));
    if (wanted) this.swatches.firstElementChild.focus();
  }

  /** Colours were chosen for white paper: a letter that brings any is shown on it, in the dark theme too. */
  #paper(place) {
    if (!this.editor) return;
    let own = false;
    this.editor.state.doc.descendants((node) => {
      own ||= [node, ...node.marks].some(({ attrs }) => attrs.bgcolor || attrs.color || /(?:^|[;\s-])(?:color|background)/i.test(attrs.style || ""));
      return !own;
    });
    place.parentElement.classList.toggle("own", own);
  }

  #show() {
    if (!this.editor) return; // it is still being made
    for (const [name, { on, can }] of Object.entries(TOOLS)) {
      const button = this.tools.querySelector(`[data-tool=${name}]`);
      if (on) button.setAttribute("aria-pressed", String(this.editor.isActive(on)));
      if (can) button.setAttribute("aria-disabled", String(!this.editor.can()[can]()));
    }
    this.tools.querySelector("[data-tool=link]").setAttribute("aria-pressed", String(this.editor.isActive("link")));
  }
}
