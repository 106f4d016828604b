// Keys: the list with its filters, a new one, and one that is looked at.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { onceName } from "../../api/client.ts";
import type { CreateKey, CreatedKey } from "../../api/schema.ts";
import { ChoiceField, TextField } from "../../part/field.tsx";
import { KeyForm } from "./key_form.tsx";
import { useAction, useLoad } from "../../part/load.ts";
import { Refusal, Waiting } from "../../part/notice.tsx";
import { Pager, useCursor } from "../../part/pages.tsx";
import { Secret } from "./secret.tsx";
import { Id, Moment, Name, State } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";
import { OneKey } from "./key_one.tsx";

/** `/keys`, `/keys/new` and `/keys/ID`. */
export function KeyPage({ rest }: { rest: string }) {
  if (rest === "new") return <NewKey />;
  return rest === "" ? <KeyTable /> : <OneKey id={rest} />;
}

/** The names of the plans in force, where whoever is signed in may see them; nothing until they are known. */
export function usePlanNames(): string[] | undefined {
  const { api, may } = useApp();
  const mayLook = may("read") || may("plans");
  const plans = useLoad((signal) => (mayLook ? api.ask("GET /admin/v1/plans", { signal }) : Promise.resolve(null)), []);
  if (plans.value === undefined && plans.refused === undefined) return undefined;
  return Object.keys(plans.value?.body.plans ?? {});
}

const PAGE = 50;

function KeyTable() {
  const { api, t, may } = useApp();
  const [filter, setFilter] = useState({ name: "", account: "", plan: "", disabled: "", before: "" });
  const cursor = useCursor<string>();
  const plans = usePlanNames() ?? [];
  const set = (name: keyof typeof filter) => (value: string) => {
    cursor.first();
    setFilter((all) => ({ ...all, [name]: value }));
  };
  const keys = useLoad(
    (signal) =>
      api.ask("GET /admin/v1/keys", {
        signal,
        query: {
          limit: PAGE,
          ...(filter.name === "" ? {} : { name: filter.name }),
          ...(filter.account.trim() === "" ? {} : { account: filter.account.trim() }),
          ...(filter.plan === "" ? {} : { plan: filter.plan }),
          ...(filter.disabled === "" ? {} : { disabled: filter.disabled === "true" }),
          ...(filter.before === "" ? {} : { expires_before: new Date(filter.before).getTime() }),
          ...(cursor.after === undefined ? {} : { after: cursor.after }),
        },
      }),
    [JSON.stringify(filter), cursor.after],
  );
  const page = keys.value?.body;
  return (
    <>
      <div class="row between">
        <h1>{t.pages.keys}</h1>
        {may("keys") && (
          <a class="button main" href="#/keys/new">
            {t.key.new}
          </a>
        )}
      </div>
      <form class="filters" role="search" aria-label={t.parts.filter} onSubmit={(event) => event.preventDefault()}>
        <TextField label={t.key.nameBegins} type="search" value={filter.name} onInput={set("name")} />
        <TextField label={t.key.account} type="search" value={filter.account} onInput={set("account")} isCode />
        {plans.length > 0 && (
          <ChoiceField
            label={t.key.plan}
            value={filter.plan}
            choices={[["", t.parts.all], ...plans.map((plan): [string, string] => [plan, plan])]}
            onInput={set("plan")}
          />
        )}
        <ChoiceField label={t.key.state} value={filter.disabled} choices={statesOf(t)} onInput={set("disabled")} />
        <TextField label={t.key.endsBefore} type="datetime-local" value={filter.before} onInput={set("before")} />
      </form>
      <Refusal refused={keys.refused} />
      <Table name={t.pages.keys} isBusy={keys.isLoading}>
        <thead>
          <tr>
            <th scope="col">{t.key.name}</th>
            <th scope="col">{t.key.id}</th>
            <th scope="col">{t.key.plan}</th>
            <th scope="col">{t.key.account}</th>
            <th scope="col">{t.key.created}</th>
            <th scope="col">{t.key.ends}</th>
            <th scope="col">{t.key.state}</th>
          </tr>
        </thead>
        <tbody>
          {page?.data.map((key) => (
            <tr key={key.id}>
              <th scope="row">
                <a href={`#/keys/${key.id}`}>
                  <Name text={key.name} none={t.key.unnamed} />
                </a>
              </th>
              <td>
                <Id text={key.id} isShort />
              </td>
              <td>{key.plan}</td>
              <td>
                <a href={`#/accounts/${key.account}`}>
                  <Id text={key.account} />
                </a>
              </td>
              <td>
                <Moment at={key.created_at} />
              </td>
              <td>{key.expires_at === undefined ? t.key.never : <Moment at={key.expires_at} />}</td>
              <td>
                <KeyState isDisabled={key.disabled} endsAt={key.expires_at} />
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
      {page?.data.length === 0 && page.next === undefined && <p class="empty">{t.key.noneFound}</p>}
      <Waiting isLoading={keys.isLoading && !page} />
      <Pager cursor={cursor} next={page?.next} isLoading={keys.isLoading} shown={page?.data.length ?? 0} />
    </>
  );
}

/** Whether something is disabled, as a choice of filters. */
export function statesOf(t: ReturnType<typeof useApp>["t"]): Array<[string, string]> {
  return [
    ["", t.parts.all],
    ["false", t.key.works],
    ["true", t.key.disabled],
  ];
}

/** Whether a key works. */
export function KeyState({ isDisabled, endsAt }: { isDisabled: boolean; endsAt: number | undefined }) {
  const { t } = useApp();
  if (isDisabled) return <State kind="off">{t.key.disabled}</State>;
  if (endsAt !== undefined && endsAt <= Date.now()) return <State kind="bad">{t.key.ended}</State>;
  return <State kind="on">{t.key.works}</State>;
}

function NewKey() {
  const { api, t } = useApp();
  const plans = usePlanNames();
  const [made, setMade] = useState<CreatedKey>();
  // Sent again after a failure, the same request makes no second key.
  const [once, setOnce] = useState({ name: onceName(), of: "" });
  const make = useAction(async (asked: CreateKey) => {
    const of = JSON.stringify(asked);
    const name = once.of === "" || once.of === of ? once.name : onceName();
    setOnce({ name, of });
    setMade((await api.ask("POST /admin/v1/keys", { body: asked, once: name })).body);
  });
  if (made) {
    return (
      <>
        <h1>{t.key.made}</h1>
        <Secret secret={made.key} id={made.id} name={made.name} />
      </>
    );
  }
  return (
    <>
      <h1>{t.key.new}</h1>
      <KeyForm
        plans={plans}
        isBusy={make.isBusy}
        refused={make.refused}
        onSend={make.run}
        onCancel={() => (location.hash = "#/keys")}
      />
    </>
  );
}
