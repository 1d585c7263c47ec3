// The words of the frame, from a file for each language; amounts and counts as the language writes them.

const LANGUAGES = ["en", "pt-BR"];
const [FALLBACK] = LANGUAGES;

/** Return the language of ours that is nearest to the one asked for: the same, or one of the same family. */
export function nearest(asked) {
  const wanted = String(asked ?? "").replace("_", "-").toLowerCase();
  const family = wanted.split("-")[0];
  return (
    LANGUAGES.find((one) => one.toLowerCase() === wanted) ??
    LANGUAGES.find((one) => one.toLowerCase().split("-")[0] === family) ??
    FALLBACK
  );
}

/** Return the texts in the language that is nearest to the one asked for. */
export async function loadTexts(asked) {
  const response = await fetch(new URL(`locales/${nearest(asked)}.json`, import.meta.url), { credentials: "omit" });
  return new Texts(await response.json());
}

class Texts {
  #words;

  constructor(words) {
    this.#words = words;
  }

  get language() {
    return this.#words.language;
  }

  /** Return a text of the frame, with the values put in. */
  say(name, values = {}) {
    return this.#words.frame[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
  }

  /** Return the text of an error's code. */
  error(code) {
    return this.#words.errors[code] ?? this.#words.errors.internal;
  }

  /** Return a category's name; one that has no translation as its provider writes it. */
  category(name) {
    return this.#words.categories[name.toLowerCase()] ?? capitalised(name.replaceAll("_", " "));
  }

  /** Return how many games there are, in words. */
  found(count, more) {
    const form = new Intl.PluralRules(this.language).select(count) === "one" ? "found_one" : "found_other";
    return this.say(more ? "found_more" : form, { count: new Intl.NumberFormat(this.language).format(count) });
  }

  /** Return an amount, a decimal text, with its currency and with all of its decimals. */
  money(amount, currency) {
    const decimals = amount.split(".")[1]?.length ?? 0;
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    // A text and not a number: no digit is lost.
    if (/^[A-Z]{3}$/.test(currency)) {
      return new Intl.NumberFormat(this.language, { style: "currency", currency, ...digits }).format(amount);
    }
    return `${new Intl.NumberFormat(this.language, digits).format(amount)} ${currency}`;
  }
}

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
