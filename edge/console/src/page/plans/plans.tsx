// The plan table: its text, a form for what is changed most, what a draft changes, and where its mistakes are.

import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { type Mistake, asRefused, mistakesOf, untold } from "../../api/refusal.ts";
import { fill } from "../../format.ts";
import { Difference, Editor } from "../../part/editor.tsx";
import { useAction } from "../../part/load.ts";
import { Notice, Refusal, Waiting } from "../../part/notice.tsx";
import { PlanForm } from "./plan_form.tsx";
import { ReplayCard, useReplay } from "./replay.tsx";
import { placeOf, placeOfMessage } from "../../plan/place.ts";
import { parse, pretty } from "../../plan/table.ts";

/** The table in force, as the editor shows it. */
interface InForce {
  text: string;
  etag: string | undefined;
}

/** The mistakes of a draft, and how many more there are that the API did not name. */
interface Wrong {
  mistakes: Mistake[];
  more: number;
}

/** `/plans`. */
export function PlansPage() {
  const { api, t, may } = useApp();
  const [inForce, setInForce] = useState<InForce>();
  const [draft, setDraft] = useState("");
  const [{ mistakes, more }, setWrong] = useState<Wrong>(RIGHT);
  const [isPut, setPut] = useState(false);
  const editor = useRef<HTMLTextAreaElement>(null);
  const look = useAction(async (keepsDraft: boolean) => {
    const found = await api.ask("GET /admin/v1/plans");
    const text = pretty(found.body);
    setInForce({ text, etag: found.etag });
    if (!keepsDraft) {
      setDraft(text);
      replay.clear();
    }
    put.clear();
    setWrong(RIGHT);
  });
  const put = useAction(async () => {
    setWrong(RIGHT);
    setPut(false);
    try {
      const done = await api.ask("PUT /admin/v1/plans", { text: draft, etag: inForce?.etag ?? "" });
      const text = pretty(done.body);
      setInForce({ text, etag: done.etag });
      setDraft(text);
      setPut(true);
      replay.clear();
    } catch (error) {
      const refused = asRefused(error);
      setWrong({ mistakes: mistakesOf(refused), more: untold(refused) });
      throw error;
    }
  });
  const replay = useReplay(draft, inForce?.text ?? "", (mistakes, more) => {
    put.clear();
    setWrong({ mistakes, more });
  });
  useEffect(() => void look.run(false), []);
  const edit = (text: string) => {
    setDraft(text);
    setPut(false);
  };
  const read = parse(draft);
  const isChanged = inForce !== undefined && draft !== inForce.text;
  const goTo = (mistake: Mistake) => {
    const place = (mistake.at === "(table)" && placeOfMessage(draft, mistake.problem)) || placeOf(draft, mistake.at);
    if (!place || !editor.current) return;
    editor.current.focus();
    editor.current.setSelectionRange(place.start, place.end);
    const height = editor.current.scrollHeight / draft.split("\n").length;
    editor.current.scrollTop = Math.max(height * (place.line - 4), 0);
  };
  const isConflict = put.refused?.status === 412;
  if (!inForce) {
    return (
      <>
        <h1>{t.pages.plans}</h1>
        <Waiting isLoading={look.isBusy} />
        <Refusal refused={look.refused} />
      </>
    );
  }
  return (
    <>
      <h1>{t.pages.plans}</h1>
      <p class="hint">{may("plans") ? t.plans.hint : t.plans.readOnly}</p>
      {isPut && <Notice kind="good" title={t.plans.done} />}
      {isConflict && (
        <Refusal refused={put.refused}>
          <p>{t.plans.conflict}</p>
          <div class="row wrap">
            <button type="button" onClick={() => look.run(true)}>
              {t.plans.compare}
            </button>
            <button type="button" onClick={() => look.run(false)}>
              {t.plans.drop}
            </button>
          </div>
        </Refusal>
      )}
      {put.refused && !isConflict && mistakes.length === 0 && <Refusal refused={put.refused} />}
      {mistakes.length > 0 && <Mistakes of={mistakes} draft={draft} more={more} onGo={goTo} />}
      <div class="plans">
        {"table" in read ? (
          <PlanForm
            table={read.table}
            mistakes={mistakes}
            mayChange={may("plans")}
            onChange={(table) => edit(pretty(table))}
          />
        ) : (
          <Notice kind="bad" title={t.plans.notJson}>
            <p lang="en">{read.problem}</p>
          </Notice>
        )}
        <section class="card editor">
          <h2 id="editor-title">{t.plans.text}</h2>
          <Editor
            area={editor}
            text={draft}
            marked={new Set(mistakes.map((mistake) => lineOf(draft, mistake)))}
            isFixed={!may("plans")}
            onInput={edit}
          />
        </section>
      </div>
      {may("plans") && (
        <>
          <Difference before={inForce.text} after={draft} />
          {isChanged && <ReplayCard of={replay} canTry={"table" in read} />}
          <div class={isChanged ? "row wrap commit" : "row wrap"}>
            <button type="button" class="main" disabled={!isChanged || put.isBusy} onClick={() => put.run()}>
              {t.plans.put}
            </button>
            <button type="button" disabled={!isChanged} onClick={() => look.run(false)}>
              {t.plans.drop}
            </button>
          </div>
        </>
      )}
    </>
  );
}

const RIGHT: Wrong = { mistakes: [], more: 0 };

function lineOf(text: string, mistake: Mistake): number {
  const byMessage = mistake.at === "(table)" ? placeOfMessage(text, mistake.problem) : null;
  return (byMessage ?? placeOf(text, mistake.at))?.line ?? 1;
}

function Mistakes(props: { of: Mistake[]; draft: string; more: number; onGo: (mistake: Mistake) => void }) {
  const { t } = useApp();
  return (
    <Notice kind="bad" title={fill(t.plans.mistakes, { count: props.of.length + props.more })}>
      <ul class="mistakes">
        {props.of.map((mistake) => (
          <li key={mistake.at + mistake.problem}>
            <button type="button" class="quiet" onClick={() => props.onGo(mistake)}>
              {fill(t.plans.line, { line: lineOf(props.draft, mistake) })}
            </button>{" "}
            <code>
              <bdi>{mistake.at}</bdi>
            </code>{" "}
            <span lang="en">{mistake.problem}</span>
          </li>
        ))}
      </ul>
      {props.more > 0 && <p>{fill(t.plans.untold, { count: props.more })}</p>}
    </Notice>
  );
}
