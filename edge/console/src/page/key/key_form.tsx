// The form of a key: what the API takes for a new one, and what may be changed of one that there is.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { type Refused, fieldOf } from "../../api/refusal.ts";
import type { CreateKey, Key } from "../../api/schema.ts";
import { asLines, asLocal, pairs, words } from "../../format.ts";
import type { Texts } from "../../text/en.ts";
import { AreaField, ChoiceField, TextField, TickField } from "../../part/field.tsx";
import { Refusal } from "../../part/notice.tsx";

/** The routes that a key may be bound to. */
export const SCOPES = ["chat", "completions", "models", "images", "tokens", "embeddings"] as const;
type KeyScope = (typeof SCOPES)[number];

/** What stands in the form. */
interface Draft {
  name: string;
  plan: string;
  account: string;
  scopes: KeyScope[] | null;
  models: string;
  addresses: string;
  expires: string;
  overrides: string;
  metadata: string;
  limits: string;
}

/** The form; `of` is the key that is changed, if it is not a new one. */
export function KeyForm(props: {
  of?: Key;
  plans: string[] | undefined;
  isBusy: boolean;
  refused: Refused | undefined;
  onSend: (asked: CreateKey) => void;
  onCancel: () => void;
}) {
  const { t } = useApp();
  const [draft, setDraft] = useState<Draft>(() => draftOf(props.of));
  const [wrong, setWrong] = useState<Partial<Record<keyof CreateKey, string>>>({});
  const set =
    <N extends keyof Draft>(name: N) =>
    (value: Draft[N]) =>
      setDraft((all) => ({ ...all, [name]: value }));
  const place = fieldOf(props.refused?.param ?? null);
  const mistake = (name: keyof CreateKey) => wrong[name] ?? (place === name ? props.refused?.message : undefined);
  const isElsewhere = props.refused && !(place !== null && PLACES.includes(place));
  const send = (event: Event) => {
    event.preventDefault();
    const { asked, mistakes } = read(draft, t, props.of !== undefined);
    setWrong(mistakes);
    if (Object.keys(mistakes).length > 0) return;
    const before = props.of ? read(draftOf(props.of), t, true).asked : UNSAID;
    props.onSend(changes(before, asked));
  };
  const needsMore = (["overrides", "metadata", "limits", "addresses"] as const).some((name) => mistake(name));
  const hasMore = props.of !== undefined && (draft.overrides !== "" || draft.metadata !== "" || draft.limits !== "");
  return (
    <form class="card form" onSubmit={send}>
      <div class="columns">
        <TextField label={t.key.name} value={draft.name} onInput={set("name")} mistake={mistake("name")} />
        <PlanField
          label={t.key.plan}
          value={draft.plan}
          plans={props.plans}
          none={props.of ? undefined : t.key.planDefault}
          onInput={set("plan")}
          mistake={mistake("plan")}
        />
        {!props.of && (
          <TextField
            label={t.key.account}
            value={draft.account}
            onInput={set("account")}
            hint={t.key.accountHint}
            mistake={mistake("account")}
            isCode
          />
        )}
        <TextField
          label={t.key.expires}
          type="datetime-local"
          value={draft.expires}
          onInput={set("expires")}
          hint={t.key.expiresHint}
          mistake={mistake("expires_at")}
        />
        <TextField
          label={t.key.models}
          value={draft.models}
          onInput={set("models")}
          hint={t.key.modelsHint}
          mistake={mistake("models")}
          isCode
        />
      </div>
      <ScopeTicks scopes={draft.scopes} onInput={set("scopes")} mistake={mistake("scopes")} />
      <details open={needsMore || hasMore}>
        <summary>{t.key.more}</summary>
        <div class="columns">
          <AreaField
            label={t.key.addresses}
            value={draft.addresses}
            onInput={set("addresses")}
            hint={t.key.addressesHint}
            mistake={mistake("addresses")}
            isCode
          />
          <AreaField
            label={t.key.overrides}
            value={draft.overrides}
            onInput={set("overrides")}
            hint={t.key.overridesHint}
            mistake={mistake("overrides")}
            isCode
          />
          <AreaField
            label={t.key.metadata}
            value={draft.metadata}
            onInput={set("metadata")}
            hint={t.key.metadataHint}
            mistake={mistake("metadata")}
            isCode
          />
          <AreaField
            label={t.key.limits}
            value={draft.limits}
            onInput={set("limits")}
            hint={t.key.limitsHint}
            mistake={mistake("limits")}
            isCode
          />
        </div>
      </details>
      {isElsewhere && <Refusal refused={props.refused} />}
      <div class="row">
        <button type="submit" class="main" disabled={props.isBusy}>
          {props.of ? t.key.save : t.key.make}
        </button>
        <button type="button" onClick={props.onCancel}>
          {t.parts.cancel}
        </button>
      </div>
    </form>
  );
}

function ScopeTicks(props: {
  scopes: KeyScope[] | null;
  onInput: (scopes: KeyScope[] | null) => void;
  mistake: string | undefined;
}) {
  const { t } = useApp();
  const { scopes, onInput } = props;
  const toggle = (scope: KeyScope, isOn: boolean) =>
    onInput(SCOPES.filter((one) => (one === scope ? isOn : (scopes ?? []).includes(one))));
  return (
    <fieldset>
      <legend>{t.key.scopes}</legend>
      <div class="row wrap">
        <TickField label={t.key.allScopes} isOn={scopes === null} onInput={(isOn) => onInput(isOn ? null : ["chat"])} />
        {scopes !== null &&
          SCOPES.map((scope) => (
            <TickField
              key={scope}
              label={scope}
              isOn={scopes.includes(scope)}
              onInput={(isOn) => toggle(scope, isOn)}
            />
          ))}
      </div>
      {props.mistake && <p class="mistake">{props.mistake}</p>}
    </fieldset>
  );
}

/** A choice of plans; a name to be written where whoever is signed in may not see the table. `none`: where it is empty. */
export function PlanField(props: {
  label: string;
  value: string;
  plans: string[] | undefined;
  none: string | undefined;
  onInput: (plan: string) => void;
  hint?: string;
  mistake: string | undefined;
}) {
  const { plans, value, none, hint = none } = props;
  // Nobody begins to write what is a choice a moment later.
  if (plans === undefined) return <ChoiceField {...props} choices={[[value, value]]} isDisabled />;
  if (plans.length === 0) return <TextField {...props} hint={hint} isCode />;
  // The one that is chosen is a choice even if the table has it no longer.
  const all = plans.includes(value) || value === "" ? plans : [...plans, value];
  const choices = all.map((plan): [string, string] => [plan, plan]);
  return <ChoiceField {...props} hint={props.hint} choices={none === undefined ? choices : [["", none], ...choices]} />;
}

// Everything that can be told about the text itself is told here; what it means, the API decides.
function read(draft: Draft, t: Texts, isChange: boolean) {
  const mistakes: Partial<Record<keyof CreateKey, string>> = {};
  const metadata = pairs(draft.metadata);
  if ("wrong" in metadata) mistakes.metadata = t.key.noPair;
  const overrides = pairs(draft.overrides);
  if ("wrong" in overrides) mistakes.overrides = t.key.noPair;
  const numbers = Object.entries("pairs" in overrides ? overrides.pairs : {}).map(([name, text]) => [
    name,
    Number(text),
  ]);
  if (numbers.some(([, value]) => !Number.isInteger(value))) mistakes.overrides = t.key.noNumber;
  let limits: CreateKey["limits"];
  try {
    limits = draft.limits.trim() === "" ? [] : JSON.parse(draft.limits);
  } catch {
    mistakes.limits = t.key.noJson;
  }
  const models = words(draft.models);
  const expires = draft.expires === "" ? null : new Date(draft.expires).getTime();
  const all: CreateKey = {
    name: draft.name,
    ...(draft.plan.trim() === "" ? {} : { plan: draft.plan.trim() }),
    scopes: draft.scopes,
    models: models.length === 0 ? null : models,
    addresses: words(draft.addresses),
    expires_at: expires,
    overrides: Object.fromEntries(numbers),
    metadata: "pairs" in metadata ? metadata.pairs : {},
    limits: limits ?? [],
  };
  if (!isChange && draft.account.trim() !== "") all.account = draft.account.trim();
  return { asked: all, mistakes };
}

// What is not changed is not sent: somebody else may be changing it, and the audit log names all that is said.
function changes(before: CreateKey, after: CreateKey): CreateKey {
  const old = new Map<string, unknown>(Object.entries(before));
  const changed = Object.entries(after).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(old.get(name)),
  );
  return Object.fromEntries(changed);
}

function draftOf(key: Key | undefined): Draft {
  const scopes = key?.scopes ?? null;
  return {
    name: key?.name ?? "",
    plan: key?.plan ?? "",
    account: "",
    scopes: scopes === null || SCOPES.every((scope) => scopes.includes(scope)) ? null : scopes,
    models: key?.models?.join(", ") ?? "",
    addresses: key?.addresses.join("\n") ?? "",
    expires: key?.expires_at === undefined ? "" : asLocal(key.expires_at),
    overrides: asLines(key?.overrides ?? {}),
    metadata: asLines(key?.metadata ?? {}),
    limits: key && key.limits.length > 0 ? JSON.stringify(key.limits, null, 2) : "",
  };
}

// What a new key is where nothing is said of it.
const UNSAID: CreateKey = {
  name: "",
  scopes: null,
  models: null,
  addresses: [],
  expires_at: null,
  overrides: {},
  metadata: {},
  limits: [],
};
const PLACES = [
  "name",
  "plan",
  "account",
  "scopes",
  "models",
  "addresses",
  "expires_at",
  "overrides",
  "metadata",
  "limits",
];
