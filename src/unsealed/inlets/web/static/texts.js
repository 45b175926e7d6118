// What scripts say, in the language of the page. The English sentence is the key; for other languages a file made from
// the catalogue stands before this one.
"use strict";
globalThis.texts = (() => {
  const sentences = globalThis.sentences || {};
  const { lang, dataset } = document.documentElement;
  const locale = lang === "en" ? "en-GB" : lang; // the day before the month, as the server writes it
  const hour12 = dataset.clock === "12";
  const rules = new Intl.PluralRules(lang);
  const numbers = new Intl.NumberFormat(lang);
  const filled = (sentence, values) => sentence.replace(/%(?:\((\w+)\)s|%)/g, (all, name) => name ? values[name] : "%");
  // say("Saved %(when)s", { when })
  const say = (sentence, values = {}) => filled(sentences[sentence] ?? sentence, values);
  // plural("%(number)s letter", "%(number)s letters", 3)
  const plural = (one, more, number, values = {}) => {
    const form = rules.select(number);
    const found = sentences[one] ? sentences[one][form] ?? sentences[one].other : number === 1 ? one : more;
    return filled(found, { number: numbers.format(number), ...values });
  };
  return { say, plural, locale, hour12 };
})();
