// A chat in the playground: its form, and the answer as it comes.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { count, span } from "../../format.ts";
import { AreaField, TextField } from "../../part/field.tsx";
import { Notice, Refusal } from "../../part/notice.tsx";
import { CHAT_START, type ChatCourse, type ChatRequest, chatCall, chatCurl, chatPython } from "../../play/chat.ts";
import { AnswerFacts, AnswerHead, Buttons, Snippets, Told, useCourse } from "./told.tsx";
import type { Play } from "./playground.tsx";

/** Asks a model for a chat. */
export function PlayChat({ api, model }: Play) {
  const { t } = useApp();
  const [request, setRequest] = useState<Omit<ChatRequest, "model">>({
    message: t.play.example,
    system: "",
    maxTokens: 128,
  });
  const { course, send, stop } = useCourse(api, CHAT_START);
  const set = <N extends keyof typeof request>(name: N, value: (typeof request)[N]) =>
    setRequest((all) => ({ ...all, [name]: value }));
  const asked = { ...request, model };
  const go = (event: Event) => {
    event.preventDefault();
    if (model !== "") send(chatCall(asked));
  };
  return (
    <>
      <div class="play">
        <form class="card form" onSubmit={go}>
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
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go(event);
            }}
          />
          <TextField
            label={t.play.maxTokens}
            type="number"
            min={1}
            mistake={course.refused?.param === "max_tokens" ? course.refused.message : undefined}
            value={request.maxTokens === null ? "" : String(request.maxTokens)}
            onInput={(value) => set("maxTokens", value === "" ? null : Number(value))}
          />
          <Buttons label={t.play.send} course={course} canSend={model !== ""} stop={stop} />
        </form>
        <AnswerCard course={course} />
      </div>
      <Told course={course} />
      <Snippets curl={chatCurl(location.origin, asked)} python={chatPython(location.origin, asked)} />
    </>
  );
}

function AnswerCard({ course }: { course: ChatCourse }) {
  const { t, language } = useApp();
  const { usage } = course;
  const timings = usage?.timings;
  return (
    <section class="card answer" aria-label={t.play.answer}>
      <AnswerHead title={t.play.answer} state={t.play.states[course.state]} />
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
      <AnswerFacts
        course={course}
        first={t.play.first}
        more={[
          [t.totals.prompt_tokens, usage && count(usage.prompt_tokens, language)],
          [t.totals.completion_tokens, usage && count(usage.completion_tokens, language)],
          [t.play.queued, timings && span(timings.queue_ms ?? 0)],
          [t.play.prompted, timings && span(timings.prompt_ms ?? 0)],
          [t.play.generated, timings && span(timings.completion_ms ?? 0)],
        ]}
      />
    </section>
  );
}
