// The origins: how they are, and the list that says which there are.

import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../app.tsx";
import type { Origins } from "../api/schema.ts";
import { Difference, Editor } from "../part/editor.tsx";
import { useAction } from "../part/load.ts";
import { Notice, Refusal, Waiting } from "../part/notice.tsx";
import { Table } from "../part/table.tsx";
import { parse, pretty } from "../plan/table.ts";

/** The list in force, and what it is known by. */
interface InForce {
  body: Origins;
  etag: string | undefined;
}

/** `/origins`. */
export function OriginsPage() {
  const { api, t, may } = useApp();
  const [inForce, setInForce] = useState<InForce>();
  const [draft, setDraft] = useState("");
  const [isPut, setPut] = useState(false);
  const editor = useRef<HTMLTextAreaElement>(null);
  const show = (found: InForce, keepsDraft = false) => {
    setInForce(found);
    if (!keepsDraft) setDraft(pretty(found.body.origins));
  };
  const look = useAction(async (keepsDraft: boolean) => {
    show(await api.ask("GET /admin/v1/origins"), keepsDraft);
    change.clear();
  });
  const change = useAction(async (text: string | null) => {
    setPut(false);
    const etag = inForce?.etag ?? "";
    show(await (text === null ? api.ask("DELETE /admin/v1/origins", { etag }) : put(text, etag)));
    setPut(true);
  });
  const put = (text: string, etag: string) => api.ask("PUT /admin/v1/origins", { text, etag });
  useEffect(() => void look.run(false), []);
  if (!inForce) {
    return (
      <>
        <h1>{t.pages.origins}</h1>
        <Waiting isLoading={look.isBusy} />
        <Refusal refused={look.refused} />
      </>
    );
  }
  const before = pretty(inForce.body.origins);
  const read = parse(draft);
  const mayChange = may("origins");
  const isOfAdmin = inForce.body.source === "admin";
  return (
    <>
      <h1>{t.pages.origins}</h1>
      <p class="hint">{isOfAdmin ? t.origins.ofAdmin : t.origins.ofSettings}</p>
      {isPut && <Notice kind="good" title={t.origins.done} />}
      <Refusal refused={change.refused}>
        {change.refused?.status === 412 && (
          <div class="row wrap">
            <button type="button" onClick={() => look.run(true)}>
              {t.plans.compare}
            </button>
            <button type="button" onClick={() => look.run(false)}>
              {t.plans.drop}
            </button>
          </div>
        )}
      </Refusal>
      <States of={inForce} isBusy={look.isBusy} onLook={() => look.run(true)} />
      <section class="card editor">
        <h2 id="editor-title">{t.origins.list}</h2>
        {"problem" in read && (
          <Notice kind="bad" title={t.plans.notJson}>
            <p lang="en">{read.problem}</p>
          </Notice>
        )}
        <Editor
          area={editor}
          text={draft}
          marked={NONE}
          isFixed={!mayChange}
          onInput={(text) => {
            setDraft(text);
            setPut(false);
          }}
        />
      </section>
      {mayChange && (
        <>
          <Difference before={before} after={draft} />
          <div class={draft === before ? "row wrap" : "row wrap commit"}>
            <button type="button" class="main" disabled={draft === before || change.isBusy} onClick={() => change.run(draft)}>
              {t.plans.put}
            </button>
            <button type="button" disabled={draft === before} onClick={() => setDraft(before)}>
              {t.plans.drop}
            </button>
            {isOfAdmin && (
              <button type="button" class="danger" disabled={change.isBusy} onClick={() => change.run(null)}>
                {t.origins.takeBack}
              </button>
            )}
          </div>
        </>
      )}
    </>
  );
}

function States(props: { of: InForce; isBusy: boolean; onLook: () => void }) {
  const { t } = useApp();
  const { origins, state } = props.of.body;
  return (
    <section class="card">
      <h2>{t.origins.state}</h2>
      <Table name={t.origins.state} isBusy={props.isBusy}>
        <thead>
          <tr>
            <th scope="col">{t.origins.name}</th>
            <th scope="col">{t.origins.url}</th>
            <th scope="col">{t.origins.requests}</th>
          </tr>
        </thead>
        <tbody>
          {origins.map((origin, place) => {
            const known = state[place];
            return (
              <tr key={origin.url}>
                <th scope="row">
                  <bdi>{known?.name ?? "—"}</bdi>
                </th>
                <td>
                  <code>
                    <bdi>{origin.url}</bdi>
                  </code>
                </td>
                <td>{known === undefined ? "—" : known.takes_requests ? t.origins.takes : t.origins.takesNone}</td>
              </tr>
            );
          })}
        </tbody>
      </Table>
      <button type="button" onClick={props.onLook} disabled={props.isBusy}>
        {t.origins.look}
      </button>
    </section>
  );
}

// What is wrong with a list is told by the names of its origins, not by lines.
const NONE = new Set<number>();
