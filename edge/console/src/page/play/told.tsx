// What the playground shows of every answer: how far it is, and what its headers say.

import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { Api } from "../../api/client.ts";
import { refusedLimits } from "../../api/refusal.ts";
import { fill, span } from "../../format.ts";
import { Bar, Copy, Facts } from "../../part/show.tsx";
import { type Call, type Course, follow } from "../../play/course.ts";

/** One call at a time: how far it is, and what begins and stops it. */
export function useCourse<C extends Course>(api: Api, start: C) {
  const [course, setCourse] = useState<C>(start);
  const running = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  /** Begins a call; `false` while another one runs. */
  const send = (call: Call<C>): boolean => {
    if (isRunning(course)) return false;
    const stop = new AbortController();
    running.current = stop;
    setCourse({ ...start, state: "waiting" });
    // A stream may tell more moments in a second than a screen can show.
    let latest: C | undefined;
    const draw = () => {
      if (latest && running.current === stop) setCourse(latest);
      latest = undefined;
    };
    void follow(api, call, stop.signal, (now) => {
      if (!latest) requestAnimationFrame(draw);
      latest = now;
    });
    return true;
  };
  return { course, send, stop: () => running.current?.abort() };
}

/** Whether the answer is still to come. */
export function isRunning(course: Course): boolean {
  return course.state === "waiting" || course.state === "streaming";
}

/** What begins a call, and what stops it. */
export function Buttons(props: { label: string; course: Course; canSend: boolean; stop: () => void }) {
  const { t } = useApp();
  const runs = isRunning(props.course);
  return (
    <div class="row">
      <button type="submit" class="main" disabled={runs || !props.canSend}>
        {props.label}
      </button>
      <button type="button" disabled={!runs} onClick={props.stop}>
        {t.play.stop}
      </button>
    </div>
  );
}

/** The head of an answer's card. */
export function AnswerHead({ title, state }: { title: string; state: string }) {
  return (
    <div class="row between">
      <h2>{title}</h2>
      <span class="fine" role="status">
        {state}
      </span>
    </div>
  );
}

/** Status and times of an answer, and what else is known of it by now. */
export function AnswerFacts(props: {
  course: Course;
  first: string;
  more: Array<[name: string, value: string | undefined]>;
}) {
  const { t } = useApp();
  const { status, firstMs, wholeMs } = props.course;
  if (status === undefined) return null;
  const known = props.more.filter((fact): fact is [string, string] => fact[1] !== undefined);
  return (
    <Facts
      of={[
        [t.play.status, String(status)],
        [props.first, firstMs === undefined ? "—" : span(firstMs)],
        [t.play.whole, wholeMs === undefined ? "—" : span(wholeMs)],
        ...known,
      ]}
    />
  );
}

/** What the answer's headers say. */
export function Told({ course }: { course: Course }) {
  const { t } = useApp();
  if (course.status === undefined) return null;
  const refused = course.refused ? refusedLimits(course.refused) : [];
  return (
    <div class="columns">
      <section class="card">
        <h2>{t.play.limits}</h2>
        {course.limits.length === 0 && <p class="empty">{t.play.noLimits}</p>}
        <ul class="bars">
          {course.limits.map((limit) => (
            <li key={limit.name} class={refused.includes(limit.name) ? "refused" : undefined}>
              <div class="row between">
                <strong>{limit.name}</strong>
                <span class="fine">
                  {limit.windowSeconds !== null && `${span(limit.windowSeconds * 1000)} `}
                  {limit.unit ?? ""}
                </span>
              </div>
              <Bar
                label={limit.name}
                used={limit.quota - limit.remaining}
                limit={limit.quota}
                isRefused={refused.includes(limit.name)}
              />
              {refused.includes(limit.name) && <p class="mistake">{t.play.refusedHere}</p>}
              {limit.moreInSeconds !== null && (
                <p class="hint">{fill(t.limits.more, { span: span(limit.moreInSeconds * 1000) })}</p>
              )}
            </li>
          ))}
        </ul>
      </section>
      <section class="card">
        <h2>{t.play.headers}</h2>
        <dl class="headers">
          {course.headers.map(([name, value]) => (
            <div key={name}>
              <dt>
                <code>{name}</code>
              </dt>
              <dd>
                <code>{value}</code>
              </dd>
            </div>
          ))}
        </dl>
      </section>
    </div>
  );
}

/** The same call elsewhere. */
export function Snippets(snippets: { curl: string; python: string }) {
  const { t } = useApp();
  const [which, setWhich] = useState<"curl" | "python">("curl");
  const text = snippets[which];
  return (
    <section class="card">
      <div class="row between">
        <h2>{t.play.snippet}</h2>
        <div class="row">
          {(["curl", "python"] as const).map((one) => (
            <button type="button" key={one} class="quiet" aria-pressed={which === one} onClick={() => setWhich(one)}>
              {one === "curl" ? "curl" : "Python"}
            </button>
          ))}
          <Copy text={text} />
        </div>
      </div>
      <pre class="code" tabIndex={0} aria-label={t.play.snippet}>
        {text}
      </pre>
      <p class="hint">{t.play.snippetHint}</p>
    </section>
  );
}
