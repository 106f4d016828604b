// Small things that pages show: names, ids, moments, states, bars, and what is copied.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../app.tsx";
import { count, distance, share, time } from "../format.ts";

/** A name that somebody chose. Whatever letters it has, it does not reach into what stands beside it. */
export function Name({ text, none }: { text: string; none?: string }) {
  if (text === "") return <span class="none">{none ?? "—"}</span>;
  return (
    <bdi class="name" title={text}>
      {text}
    </bdi>
  );
}

/** An id, whole or with its middle left out. */
export function Id({ text, isShort }: { text: string; isShort?: boolean }) {
  const shown = isShort && text.length > 18 ? `${text.slice(0, 10)}…${text.slice(-4)}` : text;
  return (
    <code class="id" title={text}>
      {shown}
    </code>
  );
}

/** A moment, by how far away it is; the whole of it as a title. */
export function Moment({ at, isWhole }: { at: number; isWhole?: boolean }) {
  const { language } = useApp();
  const whole = time(at, language);
  return (
    <time dateTime={new Date(at).toISOString()} title={whole}>
      {isWhole ? whole : distance(at, Date.now(), language)}
    </time>
  );
}

/** Whether something works, in a word. */
export function State({ kind, children }: { kind: "on" | "off" | "bad"; children: ComponentChildren }) {
  return <span class={`state ${kind}`}>{children}</span>;
}

/** How much of a limit is used. */
export function Bar(props: {
  label: string;
  used: number;
  limit: number;
  isRefused?: boolean;
  isWatched?: boolean;
  /** A full one is good news. */
  isPlain?: boolean;
}) {
  const { language, t } = useApp();
  const part = share(props.used, props.limit);
  const isFull = props.isRefused || part >= 1;
  const level = props.isPlain ? "low" : isFull ? "full" : part >= 0.8 ? "high" : "low";
  const told = `${count(props.used, language)} / ${count(props.limit, language)}`;
  return (
    <div class={`bar ${level}`}>
      <div
        class="track"
        role="meter"
        aria-label={props.label}
        aria-valuemin={0}
        aria-valuemax={props.limit}
        aria-valuenow={Math.min(props.used, props.limit)}
        aria-valuetext={told}
      >
        <div class="part" style={{ width: `${part * 100}%` }} />
      </div>
      <span class="told">
        {told}
        {props.isWatched && <span class="tag">{t.limits.watched}</span>}
      </span>
    </div>
  );
}

/** Facts about one thing, by name. */
export function Facts({ of }: { of: Array<[string, ComponentChildren]> }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A text that can be copied. */
export function Copy({ text, label }: { text: string; label?: string }) {
  const { t } = useApp();
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [isDone]);
  return (
    <button type="button" onClick={() => void copy(text).then(setDone)}>
      <span aria-live="polite">{isDone ? t.parts.copied : (label ?? t.parts.copy)}</span>
    </button>
  );
}

/** A question before something that cannot be taken back. Escape says no. */
export function Confirm(props: {
  title: string;
  children?: ComponentChildren;
  yes: string;
  /** Where "Cancel" would be taken for what is asked. */
  no?: string;
  onEnd: (yes: boolean) => void;
}) {
  const { t } = useApp();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={() => props.onEnd(false)}>
      <h2 id="confirm-title">{props.title}</h2>
      {props.children}
      <div class="row end">
        <button type="button" onClick={() => props.onEnd(false)}>
          {props.no ?? t.parts.cancel}
        </button>
        <button type="button" class="danger" onClick={() => props.onEnd(true)}>
          {props.yes}
        </button>
      </div>
    </dialog>
  );
}

// Pages of plain HTTP elsewhere than on this machine have no clipboard; there a selection is copied.
async function copy(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  return isDone;
}
