// Server-sent events, put together from pieces of any size, as the HTML standard reads them. Browsers read them by
// themselves only without a credential of ours.

/** One event: of which type it is, and what it says. */
export interface ServerEvent {
  event: string;
  data: string;
}

/** Takes pieces of a stream and gives each event that is whole. */
export class EventReader {
  #rest = "";
  #event = "";
  #data: string[] = [];
  readonly #onComment: (comment: string) => void;

  /** `onComment` is told what each comment says. */
  constructor(onComment: (comment: string) => void = () => {}) {
    this.#onComment = onComment;
  }

  push(piece: string): ServerEvent[] {
    // A carriage return at the end may be half of a line's end.
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): ServerEvent[] {
    if (line === "") {
      const [event, data] = [this.#event, this.#data];
      this.#event = "";
      this.#data = [];
      return data.length === 0 ? [] : [{ event: event || "message", data: data.join("\n") }];
    }
    // A line that begins with a colon is a comment: its name is empty.
    const [, name, value = ""] = line.match(/^([^:]*)(?:: ?(.*))?$/s) ?? [];
    if (name === "") this.#onComment(value);
    if (name === "event") this.#event = value;
    if (name === "data") this.#data.push(value);
    return [];
  }
}

/** The events of an answer, until it ends or nobody wants more of them. */
export async function* eventsOf(
  response: Response,
  onComment?: (comment: string) => void,
): AsyncGenerator<ServerEvent> {
  const reader = new EventReader(onComment);
  const decoder = new TextDecoder();
  const body = response.body?.getReader();
  if (!body) return;
  try {
    for (let part = await body.read(); !part.done; part = await body.read()) {
      yield* reader.push(decoder.decode(part.value, { stream: true }));
    }
  } finally {
    await body.cancel().catch(() => {});
  }
}
