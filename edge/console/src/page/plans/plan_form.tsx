// The form of one plan: what is changed most. Members that it does not show stay as they are in the text.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { Mistake } from "../../api/refusal.ts";
import { words } from "../../format.ts";
import { type Json, type Path, at, isObject, planNames, put, written } from "../../plan/table.ts";
import { ChoiceField, TextField, TickField } from "../../part/field.tsx";

/** What the form's parts share. */
interface Wiring {
  table: Json;
  mistakes: Mistake[];
  mayChange: boolean;
  onChange: (table: Json) => void;
}

const NUMBERS = ["priority", "max_tokens", "default_max_tokens", "max_input_tokens", "max_input_bytes"] as const;
const KINDS = ["window", "bucket", "parallel", "budget"];
const UNITS = ["requests", "tokens", "cost", "images"];
const PER = ["account", "key", "model", "session", "user"];

/** The plan that is chosen, and its limits. */
export function PlanForm(props: Wiring) {
  const { t } = useApp();
  const names = planNames(props.table);
  const [chosen, setChosen] = useState(names[0] ?? "");
  const [added, setAdded] = useState("");
  const plan = names.includes(chosen) ? chosen : (names[0] ?? "");
  const path: Path = ["plans", plan];
  const limits = at(props.table, [...path, "limits"]);
  const add = (event: Event) => {
    event.preventDefault();
    const name = added.trim();
    if (name === "" || names.includes(name)) return;
    props.onChange(put(props.table, ["plans", name], { priority: 0, limits: [] }));
    setChosen(name);
    setAdded("");
  };
  return (
    <section class="card form">
      <h2>{t.plans.form}</h2>
      <ChoiceField
        label={t.plans.plan}
        value={plan}
        choices={names.map((name) => [name, badge(name, props.mistakes)])}
        onInput={setChosen}
        mistake={mistakeAt(props.mistakes, path)}
      />
      {/* A form whose fields cannot be changed says so to everybody. */}
      <fieldset class="bare" disabled={!props.mayChange}>
        <div class="columns narrow">
          {NUMBERS.map((name) => (
            <Member
              {...props}
              key={name}
              path={[...path, name]}
              label={t.plans[name]}
              otherwise={name === "priority" ? "0" : "—"}
              isNumber
            />
          ))}
          <Member {...props} path={[...path, "lease"]} label={t.plans.lease} otherwise="10m" />
        </div>
        <Member {...props} path={[...path, "models"]} label={t.key.models} hint={t.key.modelsHint} isList />
        <h3>{t.plans.limits}</h3>
        {mistakeAt(props.mistakes, [...path, "limits"]) && (
          <p class="mistake">{mistakeAt(props.mistakes, [...path, "limits"])}</p>
        )}
        {(Array.isArray(limits) ? limits : []).map((_, index) => (
          <LimitForm {...props} key={`${plan} ${index}`} path={[...path, "limits", index]} />
        ))}
        {props.mayChange && (
          <div class="row wrap">
            <button
              type="button"
              onClick={() => {
                const place = Array.isArray(limits) ? limits.length : 0;
                const fresh = { name: `limit-${place + 1}`, kind: "window", limit: 60, window: "1m" };
                props.onChange(put(props.table, [...path, "limits", place], fresh));
              }}
            >
              {t.plans.addLimit}
            </button>
            {names.length > 1 && (
              <button type="button" onClick={() => props.onChange(put(props.table, path, undefined))}>
                {t.plans.removePlan}
              </button>
            )}
          </div>
        )}
      </fieldset>
      {props.mayChange && (
        <form class="row end-aligned" onSubmit={add}>
          <TextField label={t.plans.newPlan} value={added} onInput={setAdded} isCode />
          <button type="submit">{t.plans.addPlan}</button>
        </form>
      )}
    </section>
  );
}

function LimitForm(props: Wiring & { path: Path }) {
  const { t } = useApp();
  const { path } = props;
  const limit = at(props.table, path);
  const kind = String(at(limit, ["kind"]) ?? "");
  const name = String(at(limit, ["name"]) ?? "");
  const others = isObject(limit) ? Object.keys(limit).filter((member) => !SHOWN.includes(member)) : [];
  // Another kind has other members: what both have stays.
  const become = (other: string) => {
    const kept = isObject(limit) ? Object.entries(limit).filter(([member]) => !OWN.includes(member)) : [];
    props.onChange(put(props.table, path, { ...Object.fromEntries(kept), kind: other, ...FRESH[other] }));
  };
  return (
    <fieldset class="limit">
      <legend>{name === "" ? t.plans.limit : name}</legend>
      {mistakeAt(props.mistakes, path) && <p class="mistake">{mistakeAt(props.mistakes, path)}</p>}
      <div class="columns narrow">
        <Member {...props} path={[...path, "name"]} label={t.key.name} />
        <ChoiceField
          label={t.plans.kind}
          value={kind}
          choices={withOwn(KINDS, kind)}
          onInput={become}
          mistake={mistakeAt(props.mistakes, [...path, "kind"])}
        />
        {kind !== "parallel" && <Choice {...props} path={[...path, "unit"]} label={t.plans.unit} choices={UNITS} />}
        {kind === "bucket" ? (
          <>
            <Member {...props} path={[...path, "capacity"]} label={t.plans.capacity} isNumber />
            <Member {...props} path={[...path, "refill"]} label={t.plans.refill} isNumber />
            <Member {...props} path={[...path, "every"]} label={t.plans.every} otherwise="1s" />
          </>
        ) : (
          // Money is a decimal, which a number would not keep as it was typed.
          <Member
            {...props}
            path={[...path, "limit"]}
            label={t.plans.atMost}
            isNumber={at(limit, ["currency"]) === undefined}
          />
        )}
        {kind === "budget" && (
          <>
            <Member {...props} path={[...path, "currency"]} label={t.plans.currency} otherwise="—" />
            <Member {...props} path={[...path, "period"]} label={t.plans.period} />
            <Member {...props} path={[...path, "zone"]} label={t.plans.zone} otherwise="UTC" />
          </>
        )}
        {kind === "window" && <Member {...props} path={[...path, "window"]} label={t.plans.window} />}
        <Choice {...props} path={[...path, "per"]} label={t.plans.per} choices={PER} />
      </div>
      <div class="row between wrap">
        <TickField
          label={t.plans.shadow}
          isOn={at(limit, ["shadow"]) === true}
          onInput={(isOn) => props.onChange(put(props.table, [...path, "shadow"], isOn ? true : undefined))}
        />
        {props.mayChange && (
          <button
            type="button"
            class="quiet"
            aria-label={`${t.plans.removeLimit}: ${name}`}
            onClick={() => props.onChange(put(props.table, path, undefined))}
          >
            {t.plans.removeLimit}
          </button>
        )}
      </div>
      {others.length > 0 && (
        <p class="hint">
          {t.plans.others} <code>{others.join(", ")}</code>
        </p>
      )}
      {inside(props.mistakes, path, others).map((mistake) => (
        <p class="mistake" key={mistake.at}>
          <code>{mistake.at}</code> {mistake.problem}
        </p>
      ))}
    </fieldset>
  );
}

// A member that is left out where its field is empty.
function Member(
  props: Wiring & {
    path: Path;
    label: string;
    hint?: string;
    otherwise?: string;
    isNumber?: boolean;
    isList?: boolean;
  },
) {
  const value = at(props.table, props.path);
  const text = Array.isArray(value) ? value.join(", ") : value === undefined ? "" : String(value);
  const read = (typed: string): Json | undefined => {
    if (typed.trim() === "") return undefined;
    if (props.isList) return words(typed);
    return props.isNumber && Number.isFinite(Number(typed)) ? Number(typed) : typed;
  };
  // What was typed stays as it was typed, as long as it means what stands in the table: a comma, a point at the end.
  const [typed, setTyped] = useState(text);
  const isMeant = JSON.stringify(read(typed)) === JSON.stringify(value);
  return (
    <TextField
      label={props.label}
      hint={props.hint}
      placeholder={props.otherwise ?? ""}
      value={isMeant ? typed : text}
      onInput={(next) => {
        setTyped(next);
        props.onChange(put(props.table, props.path, read(next)));
      }}
      mistake={mistakeAt(props.mistakes, props.path)}
      isCode
    />
  );
}

// A member whose first choice is what it is where it is left out.
function Choice(props: Wiring & { path: Path; label: string; choices: string[] }) {
  const value = String(at(props.table, props.path) ?? props.choices[0]);
  return (
    <ChoiceField
      label={props.label}
      value={value}
      choices={withOwn(props.choices, value)}
      onInput={(chosen) =>
        props.onChange(put(props.table, props.path, chosen === props.choices[0] ? undefined : chosen))
      }
      mistake={mistakeAt(props.mistakes, props.path)}
    />
  );
}

function withOwn(choices: string[], value: string): Array<[string, string]> {
  const all = choices.includes(value) ? choices : [...choices, value];
  return all.map((choice) => [choice, choice]);
}

function mistakeAt(mistakes: Mistake[], path: Path): string | undefined {
  const found = mistakes.filter((mistake) => mistake.at === written(path));
  return found.length === 0 ? undefined : found.map((mistake) => mistake.problem).join("; ");
}

// Mistakes in members that have no field here.
function inside(mistakes: Mistake[], path: Path, members: string[]): Mistake[] {
  const places = members.map((member) => written([...path, member]));
  return mistakes.filter(({ at: place }) =>
    places.some((one) => place === one || (/^[.[]/.test(place.slice(one.length)) && place.startsWith(one))),
  );
}

function badge(name: string, mistakes: Mistake[]): string {
  const place = written(["plans", name]);
  const count = mistakes.filter(({ at: found }) => found === place || found.startsWith(`${place}.`)).length;
  return count === 0 ? name : `${name} (${count}!)`;
}

const OWN = ["kind", "unit", "limit", "window", "capacity", "refill", "every", "currency", "period", "zone"];
const SHOWN = ["name", "per", "shadow", ...OWN];
const FRESH: Record<string, { [name: string]: Json }> = {
  window: { limit: 60, window: "1m" },
  bucket: { capacity: 10, refill: 1 },
  parallel: { limit: 4 },
  budget: { limit: 1000, period: "month" },
};
