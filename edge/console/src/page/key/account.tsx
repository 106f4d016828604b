// Accounts: the list with its filters, and one that is looked at.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { onceName } from "../../api/client.ts";
import { ChoiceField, TextField } from "../../part/field.tsx";
import { useAction, useLoad } from "../../part/load.ts";
import { Refusal, Waiting } from "../../part/notice.tsx";
import { Pager, useCursor } from "../../part/pages.tsx";
import { Id, Moment, Name, State } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";
import { AccountForm, OneAccount } from "./account_one.tsx";
import { statesOf, usePlanNames } from "./key.tsx";

/** `/accounts`, `/accounts/new` and `/accounts/ID`. */
export function AccountPage({ rest }: { rest: string }) {
  if (rest === "new") return <NewAccount />;
  return rest === "" ? <AccountTable /> : <OneAccount id={rest} />;
}

const PAGE = 50;

function AccountTable() {
  const { api, t, may } = useApp();
  const [filter, setFilter] = useState({ name: "", owner: "", plan: "", disabled: "" });
  const cursor = useCursor<string>();
  const plans = usePlanNames() ?? [];
  const set = (name: keyof typeof filter) => (value: string) => {
    cursor.first();
    setFilter((all) => ({ ...all, [name]: value }));
  };
  const accounts = useLoad(
    (signal) =>
      api.ask("GET /admin/v1/accounts", {
        signal,
        query: {
          limit: PAGE,
          ...(filter.name === "" ? {} : { name: filter.name }),
          ...(filter.owner === "" ? {} : { owner: filter.owner }),
          ...(filter.plan === "" ? {} : { plan: filter.plan }),
          ...(filter.disabled === "" ? {} : { disabled: filter.disabled === "true" }),
          ...(cursor.after === undefined ? {} : { after: cursor.after }),
        },
      }),
    [JSON.stringify(filter), cursor.after],
  );
  const page = accounts.value?.body;
  return (
    <>
      <div class="row between">
        <h1>{t.pages.accounts}</h1>
        {may("keys") && (
          <a class="button main" href="#/accounts/new">
            {t.account.new}
          </a>
        )}
      </div>
      <form class="filters" role="search" aria-label={t.parts.filter} onSubmit={(event) => event.preventDefault()}>
        <TextField label={t.key.nameBegins} type="search" value={filter.name} onInput={set("name")} />
        <TextField label={t.account.owner} type="search" value={filter.owner} onInput={set("owner")} />
        {plans.length > 0 && (
          <ChoiceField
            label={t.account.plan}
            value={filter.plan}
            choices={[["", t.parts.all], ...plans.map((plan): [string, string] => [plan, plan])]}
            onInput={set("plan")}
          />
        )}
        <ChoiceField label={t.key.state} value={filter.disabled} choices={statesOf(t)} onInput={set("disabled")} />
      </form>
      <Refusal refused={accounts.refused} />
      <Table name={t.pages.accounts} isBusy={accounts.isLoading}>
        <thead>
          <tr>
            <th scope="col">{t.key.account}</th>
            <th scope="col">{t.key.name}</th>
            <th scope="col">{t.account.owner}</th>
            <th scope="col">{t.account.plan}</th>
            <th scope="col">{t.key.created}</th>
            <th scope="col">{t.key.state}</th>
          </tr>
        </thead>
        <tbody>
          {page?.data.map((account) => (
            <tr key={account.account}>
              <th scope="row">
                <a href={`#/accounts/${encodeURIComponent(account.account)}`}>
                  <Id text={account.account} />
                </a>
              </th>
              <td>
                <Name text={account.name} />
              </td>
              <td>
                <Name text={account.owner} />
              </td>
              <td>{account.plan ?? "—"}</td>
              <td>{account.created_at === null ? "—" : <Moment at={account.created_at} />}</td>
              <td>
                {account.disabled ? <State kind="off">{t.key.disabled}</State> : <State kind="on">{t.key.works}</State>}
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
      {page?.data.length === 0 && page.next === undefined && <p class="empty">{t.account.noneFound}</p>}
      <Waiting isLoading={accounts.isLoading && !page} />
      <Pager cursor={cursor} next={page?.next} isLoading={accounts.isLoading} shown={page?.data.length ?? 0} />
    </>
  );
}

function NewAccount() {
  const { api, t } = useApp();
  const [once] = useState(onceName);
  const make = useAction(async (asked: object) => {
    const made = await api.ask("POST /admin/v1/accounts", { body: asked, once });
    location.hash = `#/accounts/${made.body.account}`;
  });
  return (
    <>
      <h1>{t.account.new}</h1>
      <AccountForm
        isBusy={make.isBusy}
        refused={make.refused}
        onSend={make.run}
        onCancel={() => (location.hash = "#/accounts")}
      />
    </>
  );
}
