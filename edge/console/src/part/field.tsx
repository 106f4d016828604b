// Fields of forms: each with its label, what it is for, and what is wrong with it.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** What an input needs to be told apart. */
export interface Wired {
  id: string;
  "aria-describedby"?: string | undefined;
  "aria-invalid"?: boolean | undefined;
}

/** A field around one input. */
export function Field(props: {
  label: string;
  hint?: string | undefined;
  mistake?: string | undefined;
  class?: string;
  children: (wired: Wired) => ComponentChildren;
}) {
  const id = useId();
  const about = [props.hint && `${id}-hint`, props.mistake && `${id}-mistake`].filter(Boolean).join(" ");
  const wired: Wired = { id, ...(about ? { "aria-describedby": about } : {}), ...(props.mistake ? INVALID : {}) };
  return (
    <div class={`field ${props.class ?? ""}`}>
      <label for={id}>{props.label}</label>
      {props.children(wired)}
      {props.hint && (
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
      {props.mistake && (
        <p class="mistake" id={`${id}-mistake`}>
          {props.mistake}
        </p>
      )}
    </div>
  );
}

/** A field of one line. */
export function TextField(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string | undefined;
  mistake?: string | undefined;
  type?: "text" | "number" | "password" | "search" | "date" | "datetime-local";
  placeholder?: string;
  isCode?: boolean;
  min?: number;
  list?: string;
}) {
  return (
    <Field label={props.label} hint={props.hint} mistake={props.mistake}>
      {(wired) => (
        <input
          {...wired}
          // Each type has attributes of its own; these are those that all of ours have.
          type={(props.type ?? "text") as "text"}
          class={props.isCode ? "code" : undefined}
          value={props.value}
          placeholder={props.placeholder}
          min={props.min}
          list={props.list}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A field of several lines. */
export function AreaField(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string | undefined;
  mistake?: string | undefined;
  rows?: number;
  isCode?: boolean;
  onKeyDown?: (event: KeyboardEvent) => void;
}) {
  return (
    <Field label={props.label} hint={props.hint} mistake={props.mistake}>
      {(wired) => (
        <textarea
          {...wired}
          class={props.isCode ? "code" : undefined}
          rows={props.rows ?? 3}
          value={props.value}
          spellcheck={!props.isCode}
          onInput={(event) => props.onInput(event.currentTarget.value)}
          onKeyDown={props.onKeyDown}
        />
      )}
    </Field>
  );
}

/** A field with a choice. */
export function ChoiceField(props: {
  label: string;
  value: string;
  choices: Array<[value: string, text: string]>;
  onInput: (value: string) => void;
  hint?: string | undefined;
  mistake?: string | undefined;
  isDisabled?: boolean;
}) {
  return (
    <Field label={props.label} hint={props.hint} mistake={props.mistake}>
      {(wired) => (
        <select
          {...wired}
          value={props.value}
          disabled={props.isDisabled}
          onChange={(event) => props.onInput(event.currentTarget.value)}
        >
          {props.choices.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A box to tick. */
export function TickField(props: { label: string; isOn: boolean; onInput: (isOn: boolean) => void }) {
  return (
    <label class="tick">
      <input type="checkbox" checked={props.isOn} onChange={(event) => props.onInput(event.currentTarget.checked)} />
      {props.label}
    </label>
  );
}

const INVALID = { "aria-invalid": true };
