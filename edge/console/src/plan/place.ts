// Where a path of a plan table stands in its text, so that a mistake can be shown at its place.

/** A part of a text: its first letter, the one behind its last, and the line of the first, from 1. */
export interface Place {
  start: number;
  end: number;
  line: number;
}

/** The place of `plans.vip.limits[2].window`, or of the nearest member around it that is there. */
export function placeOf(text: string, path: string): Place | null {
  const places = new Map<string, [number, number]>();
  try {
    new Scanner(text, places).value("");
  } catch {
    // What was read before the text stops being JSON is enough.
  }
  for (let at = path; at !== ""; at = parent(at)) {
    const found = places.get(at);
    if (found) return placed(text, ...found);
  }
  const whole = places.get("");
  return whole ? placed(text, whole[0], whole[0] + 1) : null;
}

/** The place that a message names by line and column, as JSON's readers do. */
export function placeOfMessage(text: string, message: string): Place | null {
  const found = message.match(/line (\d+),? column (\d+)/);
  if (!found) return null;
  const line = Number(found[1]);
  const before = text
    .split("\n")
    .slice(0, line - 1)
    .reduce((all, one) => all + one.length + 1, 0);
  const start = Math.min(before + Math.max(Number(found[2]) - 1, 0), text.length);
  return { start, end: Math.min(start + 1, text.length), line };
}

function placed(text: string, start: number, end: number): Place {
  return { start, end, line: text.slice(0, start).split("\n").length };
}

function parent(path: string): string {
  const at = Math.max(path.lastIndexOf("."), path.lastIndexOf("["));
  return at < 0 ? "" : path.slice(0, at);
}

// Reads JSON only to learn where each value stands.
class Scanner {
  readonly #text: string;
  readonly #places: Map<string, [number, number]>;
  #at = 0;

  constructor(text: string, places: Map<string, [number, number]>) {
    this.#text = text;
    this.#places = places;
  }

  value(path: string, start = this.#skip()): void {
    const first = this.#text[this.#at];
    if (first === "{") this.#all("}", () => this.#member(path));
    else if (first === "[") this.#all("]", (index) => this.value(`${path}[${index}]`));
    else if (first === '"') this.#string();
    else this.#word();
    this.#places.set(path, [start, this.#at]);
  }

  #member(path: string): void {
    const start = this.#skip();
    const name: unknown = JSON.parse(this.#string());
    this.#skip();
    this.#expect(":");
    this.#skip();
    this.value(path === "" ? `${name}` : `${path}.${name}`, start);
  }

  #all(closing: string, one: (index: number) => void): void {
    this.#at += 1;
    for (let index = 0; ; index += 1) {
      this.#skip();
      if (this.#text[this.#at] === closing) break;
      if (index > 0) this.#expect(",");
      this.#skip();
      one(index);
    }
    this.#at += 1;
  }

  #string(): string {
    const start = this.#at;
    this.#expect('"');
    while (this.#text[this.#at] !== '"') {
      this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
      if (this.#at >= this.#text.length) throw new SyntaxError("a string that does not end");
    }
    this.#at += 1;
    return this.#text.slice(start, this.#at);
  }

  #word(): void {
    const found = this.#text.slice(this.#at).match(/^[-+.\w]+/);
    if (!found) throw new SyntaxError("no value");
    this.#at += found[0].length;
  }

  #expect(letter: string): void {
    if (this.#text[this.#at] !== letter) throw new SyntaxError(`no ${letter}`);
    this.#at += 1;
  }

  #skip(): number {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at += 1;
    return this.#at;
  }
}
