// The audit log: page by page, the newest first, and whether its chain is whole.

import { useRef, useState } from "preact/hooks";
import { useApp } from "../app.tsx";
import type { AuditEntry } from "../api/schema.ts";
import { type Break, type Head, canHash, follow, isBreak } from "../audit/chain.ts";
import { count, fill } from "../format.ts";
import { ChoiceField, TextField } from "../part/field.tsx";
import { useAction, useLoad } from "../part/load.ts";
import { Notice, Refusal, Waiting } from "../part/notice.tsx";
import { Pager, useCursor } from "../part/pages.tsx";
import { Copy, Id, Moment } from "../part/show.tsx";
import { Table } from "../part/table.tsx";

/** What an entry may say was done, as the API's filter takes it. */
const ACTIONS = [
  "key.create",
  "key.change",
  "key.rotate",
  "key.delete",
  "key.leaked",
  "account.create",
  "account.change",
  "account.credit",
  "account.delete",
  "plans.put",
  "origins.put",
  "origins.delete",
  "denial.create",
  "denial.delete",
  "cache.purge",
  "batch.cancel",
  "admin.login_failed",
];

/** `/audit`. */
export function AuditPage() {
  const { api, t } = useApp();
  const [filter, setFilter] = useState({ action: "", account: "" });
  const cursor = useCursor<number>();
  const set = (name: keyof typeof filter) => (value: string) => {
    cursor.first();
    setFilter((all) => ({ ...all, [name]: value }));
  };
  const log = useLoad(
    (signal) =>
      api.ask("GET /admin/v1/audit", {
        signal,
        query: {
          before: cursor.after ?? "end",
          ...(filter.action === "" ? {} : { action: filter.action }),
          ...(filter.account.trim() === "" ? {} : { account: filter.account.trim() }),
        },
      }),
    [JSON.stringify(filter), cursor.after],
  );
  const page = log.value?.body;
  return (
    <>
      <div class="row between">
        <h1>{t.pages.audit}</h1>
        <button type="button" onClick={log.reload}>
          {t.parts.again}
        </button>
      </div>
      <Verify />
      <form class="filters" role="search" aria-label={t.parts.filter} onSubmit={(event) => event.preventDefault()}>
        <ChoiceField
          label={t.audit.action}
          value={filter.action}
          choices={[["", t.parts.all], ...ACTIONS.map((action): [string, string] => [action, action])]}
          onInput={set("action")}
        />
        <TextField label={t.key.account} type="search" value={filter.account} onInput={set("account")} isCode />
      </form>
      <Refusal refused={log.refused} />
      {page && <Entries of={page.data} />}
      {page?.data.length === 0 && page.next === undefined && <p class="empty">{t.audit.none}</p>}
      <Waiting isLoading={log.isLoading && !page} />
      <Pager cursor={cursor} next={page?.next} isLoading={log.isLoading} shown={page?.data.length ?? 0} />
    </>
  );
}

/** Entries of the log as a table. */
export function Entries({ of, isBrief }: { of: AuditEntry[]; isBrief?: boolean }) {
  const { t } = useApp();
  return (
    <Table name={t.pages.audit} class={isBrief ? "audit brief" : "audit"}>
      <thead>
        <tr>
          <th scope="col">{t.audit.number}</th>
          <th scope="col">{t.audit.action}</th>
          <th scope="col">{t.audit.target}</th>
          <th scope="col">{t.audit.at}</th>
          <th scope="col">{t.audit.actor}</th>
          <th scope="col" class="details">
            {t.audit.details}
          </th>
          {!isBrief && <th scope="col">{t.audit.proof}</th>}
        </tr>
      </thead>
      <tbody>
        {of.map((entry) => (
          <tr key={entry.number}>
            <th scope="row" class="number">
              {entry.number}
            </th>
            <td>
              <span class="tag">{entry.action}</span>
            </td>
            <td>
              <Target text={entry.target} />
            </td>
            <td>
              <Moment at={entry.at} isWhole={!isBrief} />
            </td>
            <td>
              <bdi>{entry.actor}</bdi>
              {!isBrief && entry.address !== null && <div class="fine">{entry.address}</div>}
            </td>
            <td class="details">
              <Details of={entry.details} />
            </td>
            {!isBrief && (
              <td>
                <details>
                  <summary>
                    <code>{entry.hash.slice(0, 8)}</code>
                  </summary>
                  <p class="fine">
                    {t.audit.request} <code>{entry.request}</code>
                  </p>
                  <p class="fine">
                    {t.audit.hash} <code>{entry.hash}</code>
                  </p>
                  <p class="fine">
                    {t.audit.previous} <code>{entry.previous}</code>
                  </p>
                </details>
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function Target({ text }: { text: string }) {
  if (text.startsWith("key_")) {
    return (
      <a href={`#/keys/${text}`}>
        <Id text={text} isShort />
      </a>
    );
  }
  return text === "" ? <>—</> : <Id text={text} isShort />;
}

function Details({ of }: { of: Record<string, string> }) {
  return (
    <>
      {Object.entries(of).map(([name, value]) => (
        <span class={name === "refused" ? "detail mistake" : "detail"} key={name}>
          <span class="fine">{name}</span> <bdi>{value}</bdi>
        </span>
      ))}
    </>
  );
}

// Reads the whole log from its first entry on, and makes each hash anew in this browser.
function Verify() {
  const { api, t, language } = useApp();
  const [seen, setSeen] = useState(0);
  const [found, setFound] = useState<Head | Break | null>();
  const stop = useRef<AbortController | undefined>(undefined);
  const verify = useAction(async () => {
    const mine = new AbortController();
    stop.current = mine;
    setSeen(0);
    setFound(undefined);
    let head: Head | Break | null = null;
    let after: number | undefined = 0;
    while (after !== undefined && !isBreak(head) && !mine.signal.aborted) {
      const page: Awaited<ReturnType<typeof read>> = await read(after, mine.signal);
      head = await follow(head, page.data);
      setSeen(head?.number ?? 0);
      after = page.next;
    }
    if (!mine.signal.aborted) setFound(head);
  });
  const read = async (after: number, signal: AbortSignal) =>
    (await api.ask("GET /admin/v1/audit", { query: { after }, signal })).body;
  return (
    <section class="card verify">
      <div class="row wrap">
        <button type="button" disabled={verify.isBusy || !canHash()} onClick={() => verify.run()}>
          {t.audit.verify}
        </button>
        {verify.isBusy && (
          <button type="button" onClick={() => stop.current?.abort()}>
            {t.play.stop}
          </button>
        )}
        <span class="hint" role="status">
          {verify.isBusy ? fill(t.audit.verifying, { count: count(seen, language) }) : t.audit.verifyHint}
        </span>
      </div>
      {!canHash() && <Notice kind="plain">{t.audit.noHash}</Notice>}
      {!stop.current?.signal.aborted && <Refusal refused={verify.refused} />}
      {found === null && <Notice kind="plain">{t.audit.none}</Notice>}
      {found && !isBreak(found) && (
        <Notice kind="good" title={fill(t.audit.whole, { count: count(found.number, language) })}>
          <p class="row wrap">
            <code class="hash">{found.hash}</code> <Copy text={found.hash} />
          </p>
          <p class="hint">{t.audit.wholeHint}</p>
        </Notice>
      )}
      {found && isBreak(found) && (
        <Notice kind="bad" title={fill(t.audit.broken, { number: found.number })}>
          <p>{t.audit.breaks[found.why]}</p>
        </Notice>
      )}
    </section>
  );
}
