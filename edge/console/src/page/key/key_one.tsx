// One key: what it may do, what it has used, and what can be done with it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { onceName } from "../../api/client.ts";
import type { Key, RotatedKey, Totals } from "../../api/schema.ts";
import { count } from "../../format.ts";
import { TextField } from "../../part/field.tsx";
import { KeyForm } from "./key_form.tsx";
import { useAction, useLoad } from "../../part/load.ts";
import { Refusal, Waiting } from "../../part/notice.tsx";
import { Secret } from "./secret.tsx";
import { Confirm, Facts, Id, Moment, Name } from "../../part/show.tsx";
import { KeyState, usePlanNames } from "./key.tsx";

/** How often what is used is asked for again. */
export const LIVE_MS = 3000;

/** `/keys/ID`. */
export function OneKey({ id }: { id: string }) {
  const { api, t, may } = useApp();
  const path = { key: id };
  const key = useLoad((signal) => api.ask("GET /admin/v1/keys/{key}", { path, signal }), [id], LIVE_MS);
  const [mode, setMode] = useState<"look" | "change" | "delete" | "gone">("look");
  const [rotated, setRotated] = useState<RotatedKey>();
  // The version that this page has shown: what somebody else changes meanwhile is not overwritten unseen.
  const etag = key.value?.etag;
  const act = useAction(async (verb: "disable" | "enable") => {
    if (verb === "disable") await api.ask("POST /admin/v1/keys/{key}/disable", { path, etag, once: onceName() });
    else await api.ask("POST /admin/v1/keys/{key}/enable", { path, etag, once: onceName() });
    key.reload();
  });
  const end = useAction(async () => {
    await api.ask("DELETE /admin/v1/keys/{key}", { path, etag });
    setMode("gone");
  });
  const found = key.value?.body;
  if (mode === "gone") {
    return (
      <>
        <h1>{t.key.isDeleted}</h1>
        <p>
          <a href="#/keys">{t.key.toAll}</a>
        </p>
      </>
    );
  }
  return (
    <>
      <p class="crumb">
        <a href="#/keys">{t.pages.keys}</a>
      </p>
      <div class="row between">
        <h1>{found ? <Name text={found.name} none={t.key.unnamed} /> : t.key.one}</h1>
        {found && <KeyState isDisabled={found.disabled} endsAt={found.expires_at} />}
      </div>
      <Waiting isLoading={key.isLoading && !found && !key.refused} />
      <Refusal refused={key.refused} />
      {rotated && (
        <Secret secret={rotated.key} id={rotated.id} oldUntil={rotated.old_until} onEnd={() => setRotated(undefined)} />
      )}
      {found && mode === "change" && key.value && (
        <ChangeKey of={found} etag={key.value.etag} onEnd={() => (setMode("look"), key.reload())} />
      )}
      {found && mode !== "change" && (
        <>
          {may("keys") && !rotated && (
            <div class="row wrap actions">
              <button type="button" onClick={() => setMode("change")}>
                {t.key.change}
              </button>
              <Rotate id={id} etag={etag} onDone={(done) => (setRotated(done), key.reload())} />
              <button
                type="button"
                disabled={act.isBusy}
                onClick={() => act.run(found.disabled ? "enable" : "disable")}
              >
                {found.disabled ? t.key.enable : t.key.disable}
              </button>
              <button type="button" class="danger" onClick={() => setMode("delete")}>
                {t.key.delete}
              </button>
            </div>
          )}
          <Refusal refused={act.refused ?? end.refused} />
          <KeyFacts of={found} />
        </>
      )}
      {found && mode === "delete" && (
        <Confirm title={t.key.deleteTitle} yes={t.key.delete} onEnd={(yes) => (setMode("look"), yes && end.run())}>
          <p>
            <Name text={found.name} none={t.key.unnamed} /> <Id text={found.id} />
          </p>
          <p>{t.key.deleteWhat}</p>
        </Confirm>
      )}
    </>
  );
}

function Rotate(props: { id: string; etag: string | undefined; onDone: (done: RotatedKey) => void }) {
  const { api, t } = useApp();
  const [isOpen, setOpen] = useState(false);
  const [overlap, setOverlap] = useState("1h");
  const rotate = useAction(async () => {
    const path = { key: props.id };
    const asked = { path, etag: props.etag, once: onceName(), body: { overlap } };
    props.onDone((await api.ask("POST /admin/v1/keys/{key}/rotate", asked)).body);
    setOpen(false);
  });
  return (
    <>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t.key.rotate}
      </button>
      {isOpen && (
        <form
          class="card form wide"
          onSubmit={(event) => {
            event.preventDefault();
            void rotate.run();
          }}
        >
          <TextField
            label={t.key.overlap}
            value={overlap}
            onInput={setOverlap}
            hint={t.key.overlapHint}
            mistake={rotate.refused?.param === "overlap" ? rotate.refused.message : undefined}
            isCode
          />
          {rotate.refused?.param !== "overlap" && <Refusal refused={rotate.refused} />}
          <div class="row">
            <button type="submit" class="main" disabled={rotate.isBusy}>
              {t.key.rotateNow}
            </button>
          </div>
        </form>
      )}
    </>
  );
}

function ChangeKey(props: { of: Key; etag: string | undefined; onEnd: () => void }) {
  const { api, t } = useApp();
  const plans = usePlanNames();
  // As it was when the form was opened: the page around it goes on asking.
  const [start] = useState({ of: props.of, etag: props.etag });
  const change = useAction(async (asked: object) => {
    const path = { key: start.of.id };
    await api.ask("PATCH /admin/v1/keys/{key}", { path, etag: start.etag, body: asked });
    props.onEnd();
  });
  return (
    <>
      {change.refused?.status === 412 && (
        <Refusal refused={change.refused}>
          <p>{t.key.conflict}</p>
          <p>
            <button type="button" onClick={props.onEnd}>
              {t.key.reload}
            </button>
          </p>
        </Refusal>
      )}
      <KeyForm
        of={start.of}
        plans={plans}
        isBusy={change.isBusy}
        refused={change.refused?.status === 412 ? undefined : change.refused}
        onSend={change.run}
        onCancel={props.onEnd}
      />
    </>
  );
}

function KeyFacts({ of: key }: { of: Key }) {
  const { t } = useApp();
  const all = (list: string[]) => (list.length === 0 ? t.parts.all : list.join(", "));
  const lines = (values: Record<string, string | number>) =>
    Object.keys(values).length === 0 ? (
      "—"
    ) : (
      <ul class="plain">
        {Object.entries(values).map(([name, value]) => (
          <li key={name}>
            <bdi>{name}</bdi> = <bdi>{value}</bdi>
          </li>
        ))}
      </ul>
    );
  return (
    <div class="columns">
      <section class="card">
        <h2>{t.key.what}</h2>
        <Facts
          of={[
            [t.key.id, <Id text={key.id} />],
            [
              t.key.account,
              <a href={`#/accounts/${key.account}`}>
                <Id text={key.account} />
              </a>,
            ],
            [t.key.plan, key.plan],
            [t.key.created, <Moment at={key.created_at} isWhole />],
            [t.key.ends, key.expires_at === undefined ? t.key.never : <Moment at={key.expires_at} isWhole />],
            [t.key.scopes, key.scopes.join(", ")],
            [t.key.models, all(key.models ?? [])],
            [t.key.addresses, all(key.addresses)],
            [t.key.overrides, lines(key.overrides)],
            [t.key.metadata, lines(key.metadata)],
            [
              t.key.limits,
              key.limits.length === 0 ? "—" : <pre class="code">{JSON.stringify(key.limits, null, 1)}</pre>,
            ],
            ...key.old_until.map((until): [string, ComponentChildren] => [
              t.secret.oldUntil,
              <Moment at={until} isWhole />,
            ]),
          ]}
        />
      </section>
      <section class="card">
        <h2>{t.key.used}</h2>
        <Usage
          of={[
            [t.key.byKey, key.used_by_key],
            [t.key.byAccount, key.used],
          ]}
          live={key.live_leases}
        />
        <p class="hint">{t.key.usedHint}</p>
        <UsageLink of={key.id} />
      </section>
    </div>
  );
}

/** What was used since the beginning, and how many requests run now. */
export function Usage({ of, live }: { of: Array<[string, Totals]>; live: number }) {
  const { t, language } = useApp();
  const rows = ["served", "prompt_tokens", "completion_tokens", "cost"] as const;
  return (
    <table class="figures">
      <caption class="unseen">{t.key.used}</caption>
      <thead>
        <tr>
          <td />
          {of.map(([name]) => (
            <th scope="col" key={name}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row}>
            <th scope="row">{t.totals[row]}</th>
            {of.map(([name, totals]) => (
              <td key={name}>{count(totals[row], language)}</td>
            ))}
          </tr>
        ))}
        <tr>
          <th scope="row">{t.totals.live}</th>
          <td colSpan={of.length}>{count(live, language)}</td>
        </tr>
      </tbody>
    </table>
  );
}

/** The way to what an account or a key has used and when, for whoever may look at it. */
export function UsageLink({ of }: { of: string }) {
  const { t, may } = useApp();
  if (!may("read")) return null;
  return (
    <p class="onward">
      <a href={`#/usage/${encodeURIComponent(of)}`}>{t.usage.when}</a>
    </p>
  );
}
