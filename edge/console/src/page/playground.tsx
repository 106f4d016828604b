// The playground: one chat through both gates, with all that the answer says of limits, time and tokens.

import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../app.tsx";
import { Api } from "../api/client.ts";
import { type ChatRequest, asCurl, asPython } from "../chat/events.ts";
import { type Course, START, chat } from "../chat/course.ts";
import { refusedLimits } from "../api/refusal.ts";
import { count, fill, span } from "../format.ts";
import { AreaField, TextField } from "../part/field.tsx";
import { useLoad } from "../part/load.ts";
import { Notice, Refusal } from "../part/notice.tsx";
import { Bar, Copy, Facts } from "../part/show.tsx";

/** `/playground`. */
export function PlaygroundPage() {
  const { t, session, playKey, setPlayKey } = useApp();
  const [request, setRequest] = useState<ChatRequest>({
    model: "",
    message: t.play.example,
    system: "",
    maxTokens: 128,
  });
  const [course, setCourse] = useState<Course>(START);
  const running = useRef<AbortController | undefined>(undefined);
  const set = <N extends keyof ChatRequest>(name: N, value: ChatRequest[N]) =>
    setRequest((all) => ({ ...all, [name]: value }));
  const list = useModels(playKey);
  const models = list.value ?? [];
  const model = request.model || models[0] || "";
  const asked = { ...request, model };
  const isRunning = course.state === "waiting" || course.state === "streaming";
  useEffect(() => () => running.current?.abort(), []);
  const send = async (event: Event) => {
    event.preventDefault();
    if (isRunning || model === "") return;
    const stop = new AbortController();
    running.current = stop;
    setCourse({ ...START, state: "waiting" });
    // A stream may tell more moments in a second than a screen can show.
    let latest: Course | undefined;
    const draw = () => {
      if (latest && running.current === stop) setCourse(latest);
      latest = undefined;
    };
    await chat(new Api(playKey === "" ? null : playKey), asked, stop.signal, (now) => {
      if (!latest) requestAnimationFrame(draw);
      latest = now;
    });
  };
  return (
    <>
      <h1>{t.pages.playground}</h1>
      <div class="play">
        <form class="card form" onSubmit={send}>
          {session.kind === "admin" && (
            <TextField
              label={t.play.key}
              type="password"
              value={playKey}
              onInput={(key) => setPlayKey(key.trim())}
              hint={t.play.keyHint}
              mistake={playKey !== "" && list.refused?.status === 401 ? list.refused.message : undefined}
              isCode
            />
          )}
          <datalist id="models">
            {models.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
          <div class="columns narrow">
            <TextField
              label={t.play.model}
              value={request.model}
              placeholder={models[0] ?? ""}
              onInput={(value) => set("model", value.trim())}
              list="models"
              hint={list.refused ? t.play.noModels : undefined}
              isCode
            />
            <TextField
              label={t.play.maxTokens}
              type="number"
              min={1}
              mistake={course.refused?.param === "max_tokens" ? course.refused.message : undefined}
              value={request.maxTokens === null ? "" : String(request.maxTokens)}
              onInput={(value) => set("maxTokens", value === "" ? null : Number(value))}
            />
          </div>
          <details>
            <summary>{t.play.system}</summary>
            <AreaField label={t.play.system} value={request.system} onInput={(value) => set("system", value)} />
          </details>
          <AreaField
            label={t.play.message}
            value={request.message}
            rows={4}
            onInput={(value) => set("message", value)}
            hint={t.play.sendHint}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send(event);
            }}
          />
          <div class="row">
            <button type="submit" class="main" disabled={isRunning || model === ""}>
              {t.play.send}
            </button>
            <button type="button" disabled={!isRunning} onClick={() => running.current?.abort()}>
              {t.play.stop}
            </button>
          </div>
        </form>
        <AnswerCard course={course} />
      </div>
      <Told course={course} />
      <Snippets request={asked} />
    </>
  );
}

// The models that this key may use. Without one, those of callers without a key, if they are let in.
function useModels(key: string) {
  return useLoad(
    async (signal) => {
      const list = await new Api(key === "" ? null : key).ask("GET /v1/models", { signal });
      return list.body.data.map((model) => model.id);
    },
    [key],
  );
}

function AnswerCard({ course }: { course: Course }) {
  const { t, language } = useApp();
  const { usage } = course;
  return (
    <section class="card answer" aria-label={t.play.answer}>
      <div class="row between">
        <h2>{t.play.answer}</h2>
        <span class="fine" role="status">
          {t.play.states[course.state]}
        </span>
      </div>
      <Refusal refused={course.refused} />
      {course.thought !== "" && (
        <details>
          <summary>{t.play.thought}</summary>
          <div class="said">{course.thought}</div>
        </details>
      )}
      <div class="said" aria-live="polite" aria-busy={course.state === "streaming"} tabIndex={0}>
        {course.text}
        {course.state === "streaming" && <span class="caret" aria-hidden="true" />}
      </div>
      {course.finish === "length" && <Notice kind="plain">{t.play.cut}</Notice>}
      {course.status !== undefined && (
        <Facts
          of={[
            [t.play.status, String(course.status)],
            [t.play.first, course.firstMs === undefined ? "—" : span(course.firstMs)],
            [t.play.whole, course.wholeMs === undefined ? "—" : span(course.wholeMs)],
            ...(usage
              ? ([
                  [t.totals.prompt_tokens, count(usage.prompt_tokens, language)],
                  [t.totals.completion_tokens, count(usage.completion_tokens, language)],
                  ...(usage.timings
                    ? [
                        [t.play.queued, span(usage.timings.queue_ms ?? 0)],
                        [t.play.prompted, span(usage.timings.prompt_ms ?? 0)],
                        [t.play.generated, span(usage.timings.completion_ms ?? 0)],
                      ]
                    : []),
                ] as Array<[string, string]>)
              : []),
          ]}
        />
      )}
    </section>
  );
}

// What the answer's headers say.
function Told({ course }: { course: Course }) {
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

function Snippets({ request }: { request: ChatRequest }) {
  const { t } = useApp();
  const [which, setWhich] = useState<"curl" | "python">("curl");
  const text = which === "curl" ? asCurl(location.origin, request) : asPython(location.origin, request);
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
