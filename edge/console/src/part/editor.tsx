// A text that is edited: with its lines' numbers, and what a draft changes in it.

import type { RefObject } from "preact";
import { useRef } from "preact/hooks";
import { useApp } from "../app.tsx";
import { around, diff } from "../plan/diff.ts";

/** The text with its lines' numbers; those that are marked have a mistake. It is named by the element `editor-title`. */
export function Editor(props: {
  area: RefObject<HTMLTextAreaElement | null>;
  text: string;
  marked: Set<number>;
  isFixed: boolean;
  onInput: (text: string) => void;
}) {
  const gutter = useRef<HTMLDivElement>(null);
  const lines = props.text.split("\n").length;
  return (
    <div class="lines">
      <div class="gutter" ref={gutter} aria-hidden="true">
        {Array.from({ length: lines }, (_, index) => (
          <div key={index} class={props.marked.has(index + 1) ? "marked" : undefined}>
            {index + 1}
          </div>
        ))}
      </div>
      <textarea
        ref={props.area}
        class="code"
        aria-labelledby="editor-title"
        value={props.text}
        readOnly={props.isFixed}
        spellcheck={false}
        wrap="off"
        onInput={(event) => props.onInput(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

/** What a draft changes, line by line. */
export function Difference({ before, after }: { before: string; after: string }) {
  const { t } = useApp();
  if (before === after) return <p class="hint">{t.plans.same}</p>;
  const shown = around(diff(before, after), 2);
  return (
    <section class="card">
      <h2>{t.plans.difference}</h2>
      <div class="diff code" tabIndex={0} role="group" aria-label={t.plans.difference}>
        {shown.map((line, place) =>
          line === null ? (
            <div class="gap" key={place}>
              ⋯
            </div>
          ) : (
            <div class={line.kind} key={place}>
              <span class="sign">{SIGNS[line.kind]}</span>
              {line.kind !== "same" && <span class="unseen">{t.plans[line.kind]}</span>}
              {line.text}
            </div>
          ),
        )}
      </div>
    </section>
  );
}

const SIGNS = { same: " ", added: "+", removed: "−" };
