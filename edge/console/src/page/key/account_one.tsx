// One account: its keys, what it has used, and what can be done with it.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { onceName } from "../../api/client.ts";
import { type Refused, fieldOf } from "../../api/refusal.ts";
import type { Account, ChangeAccount } from "../../api/schema.ts";
import { asLines, bytes, count, pairs } from "../../format.ts";
import { AreaField, TextField } from "../../part/field.tsx";
import { Jobs } from "./jobs.tsx";
import { PlanField } from "./key_form.tsx";
import { useAction, useLoad } from "../../part/load.ts";
import { Refusal, Waiting } from "../../part/notice.tsx";
import { Confirm, Facts, Id, Moment, Name, State } from "../../part/show.tsx";
import { usePlanNames } from "./key.tsx";
import { LIVE_MS, Usage, UsageLink } from "./key_one.tsx";

/** `/accounts/ID`. */
export function OneAccount({ id }: { id: string }) {
  const { api, t, may } = useApp();
  const path = { account: id };
  const account = useLoad((signal) => api.ask("GET /admin/v1/accounts/{account}", { path, signal }), [id], LIVE_MS);
  const [mode, setMode] = useState<"look" | "change" | "delete" | "gone">("look");
  const etag = account.value?.etag;
  const act = useAction(async (verb: "disable" | "enable") => {
    if (verb === "disable")
      await api.ask("POST /admin/v1/accounts/{account}/disable", { path, etag, once: onceName() });
    else await api.ask("POST /admin/v1/accounts/{account}/enable", { path, etag, once: onceName() });
    account.reload();
  });
  const end = useAction(async () => {
    await api.ask("DELETE /admin/v1/accounts/{account}", { path, etag });
    setMode("gone");
  });
  const found = account.value?.body;
  if (mode === "gone") {
    return (
      <>
        <h1>{t.account.isDeleted}</h1>
        <p>
          <a href="#/accounts">{t.account.toAll}</a>
        </p>
      </>
    );
  }
  return (
    <>
      <p class="crumb">
        <a href="#/accounts">{t.pages.accounts}</a>
      </p>
      <div class="row between">
        <h1>{found && found.name !== "" ? <Name text={found.name} /> : `${t.account.one} ${id}`}</h1>
        {found?.disabled && <State kind="off">{t.key.disabled}</State>}
      </div>
      <Waiting isLoading={account.isLoading && !found && !account.refused} />
      <Refusal refused={account.refused} />
      {found && mode === "change" && (
        <ChangeAccountForm of={found} etag={etag} onEnd={() => (setMode("look"), account.reload())} />
      )}
      {found && mode !== "change" && (
        <>
          {may("keys") && (
            <div class="row wrap actions">
              <button type="button" onClick={() => setMode("change")}>
                {t.key.change}
              </button>
              <button
                type="button"
                disabled={act.isBusy}
                onClick={() => act.run(found.disabled ? "enable" : "disable")}
              >
                {found.disabled ? t.key.enable : t.key.disable}
              </button>
              {/* Subjects of tokens and addresses are nobody's to delete. */}
              {!found.account.includes(":") && (
                <button type="button" class="danger" onClick={() => setMode("delete")}>
                  {t.key.delete}
                </button>
              )}
            </div>
          )}
          <Refusal refused={act.refused ?? end.refused} />
          <AccountFacts of={found} />
          <Jobs account={found.account} />
        </>
      )}
      {found && mode === "delete" && (
        <Confirm title={t.account.deleteTitle} yes={t.key.delete} onEnd={(yes) => (setMode("look"), yes && end.run())}>
          <p>
            <Name text={found.name} none={t.key.unnamed} /> <Id text={found.account} />
          </p>
          <p>{t.account.deleteWhat}</p>
        </Confirm>
      )}
    </>
  );
}

function AccountFacts({ of: account }: { of: Account }) {
  const { t, language } = useApp();
  const kept = account.kept_responses;
  return (
    <div class="columns">
      <section class="card">
        <h2>{t.account.what}</h2>
        <Facts
          of={[
            [t.key.account, <Id text={account.account} />],
            [t.account.owner, <Name text={account.owner} />],
            [t.account.plan, account.plan ?? t.account.planOfKeys],
            [t.key.created, account.created_at === null ? "—" : <Moment at={account.created_at} isWhole />],
            [t.key.overrides, asLines(account.overrides) || "—"],
            ...(kept
              ? [
                  [t.account.kept, `${count(kept.count, language)} · ${bytes(kept.bytes, language)}`] as [
                    string,
                    string,
                  ],
                ]
              : []),
          ]}
        />
        <h2>{t.pages.keys}</h2>
        {account.keys.length === 0 && <p class="empty">{t.account.noKeys}</p>}
        <ul class="plain">
          {account.keys.map((key) => (
            <li key={key}>
              <a href={`#/keys/${key}`}>
                <Id text={key} />
              </a>{" "}
              <span class="fine">{used(account, key, language, t.totals.servedShort)}</span>
            </li>
          ))}
        </ul>
      </section>
      <section class="card">
        <h2>{t.key.used}</h2>
        <Usage of={[[t.key.byAccount, account.used]]} live={account.live_leases} />
        <p class="hint">{t.account.barsHint}</p>
        <UsageLink of={account.account} />
      </section>
    </div>
  );
}

function used(account: Account, key: string, language: string, word: string): string {
  const totals = Object.hasOwn(account.used_by_key, key) ? account.used_by_key[key] : undefined;
  return totals ? `${count(totals.served, language)} ${word}` : "";
}

function ChangeAccountForm(props: { of: Account; etag: string | undefined; onEnd: () => void }) {
  const { api, t } = useApp();
  const [start] = useState({ of: props.of, etag: props.etag });
  const change = useAction(async (asked: ChangeAccount) => {
    const path = { account: start.of.account };
    await api.ask("PATCH /admin/v1/accounts/{account}", { path, etag: start.etag, body: asked });
    props.onEnd();
  });
  const isConflict = change.refused?.status === 412;
  return (
    <>
      {isConflict && (
        <Refusal refused={change.refused}>
          <p>{t.key.conflict}</p>
          <p>
            <button type="button" onClick={props.onEnd}>
              {t.key.reload}
            </button>
          </p>
        </Refusal>
      )}
      <AccountForm
        of={start.of}
        isBusy={change.isBusy}
        refused={isConflict ? undefined : change.refused}
        onSend={change.run}
        onCancel={props.onEnd}
      />
    </>
  );
}

/** The form of an account; `of` is the one that is changed, if it is not a new one. */
export function AccountForm(props: {
  of?: Account;
  isBusy: boolean;
  refused: Refused | undefined;
  onSend: (asked: ChangeAccount) => void;
  onCancel: () => void;
}) {
  const { t } = useApp();
  const plans = usePlanNames();
  const [name, setName] = useState(props.of?.name ?? "");
  const [owner, setOwner] = useState(props.of?.owner ?? "");
  const [plan, setPlan] = useState(props.of?.plan ?? "");
  const [overrides, setOverrides] = useState(asLines(props.of?.overrides ?? {}));
  const [wrong, setWrong] = useState<string>();
  const place = fieldOf(props.refused?.param ?? null);
  const mistake = (field: string) => (place === field ? props.refused?.message : undefined);
  const isElsewhere = place === null || !["name", "owner", "plan", "overrides"].includes(place);
  const send = (event: Event) => {
    event.preventDefault();
    const read = pairs(overrides);
    const numbers = Object.entries("pairs" in read ? read.pairs : {}).map(([limit, text]) => [limit, Number(text)]);
    if ("wrong" in read) return setWrong(t.key.noPair);
    if (numbers.some(([, value]) => !Number.isInteger(value))) return setWrong(t.key.noNumber);
    setWrong(undefined);
    const all: ChangeAccount = { name, owner, plan: plan === "" ? null : plan, overrides: Object.fromEntries(numbers) };
    const old: ChangeAccount = props.of
      ? { name: props.of.name, owner: props.of.owner, plan: props.of.plan, overrides: props.of.overrides }
      : { name: "", owner: "", plan: null, overrides: {} };
    const differs = (member: keyof ChangeAccount) => JSON.stringify(all[member]) !== JSON.stringify(old[member]);
    props.onSend(Object.fromEntries(Object.entries(all).filter(([member]) => differs(member as keyof ChangeAccount))));
  };
  return (
    <form class="card form" onSubmit={send}>
      <div class="columns">
        <TextField label={t.key.name} value={name} onInput={setName} mistake={mistake("name")} />
        <TextField label={t.account.owner} value={owner} onInput={setOwner} mistake={mistake("owner")} />
        <PlanField
          label={t.account.plan}
          value={plan}
          plans={plans}
          none={t.account.planOfKeys}
          onInput={setPlan}
          hint={t.account.planHint}
          mistake={mistake("plan")}
        />
        <AreaField
          label={t.key.overrides}
          value={overrides}
          onInput={setOverrides}
          hint={t.key.overridesHint}
          mistake={wrong ?? mistake("overrides")}
          isCode
        />
      </div>
      {isElsewhere && <Refusal refused={props.refused} />}
      <div class="row">
        <button type="submit" class="main" disabled={props.isBusy}>
          {props.of ? t.key.save : t.account.make}
        </button>
        <button type="button" onClick={props.onCancel}>
          {t.parts.cancel}
        </button>
      </div>
    </form>
  );
}
