// The lines of usage as a table: names first, then everything that is counted, and sums below.

import type { ComponentChildren } from "preact";
import { useApp } from "../../app.tsx";
import { Id } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";
import type { Texts } from "../../text/en.ts";
import { type Found, hasImages, hasMoney } from "../../usage/ask.ts";
import { type Count, type Line, type Name, type Sums, money, refusedOf, total, whole } from "../../usage/lines.ts";
import { type Unit, timeText } from "../../usage/range.ts";

/** The table. */
export function Lines({ of: found, isAdmin, isBusy }: { of: Found; isAdmin: boolean; isBusy: boolean }) {
  const { t } = useApp();
  const names = columnsOf(found);
  const withMoney = hasMoney(found);
  const images = hasImages(found) ? IMAGES : [];
  return (
    <Table name={t.pages.usage} class="usage" isBusy={isBusy}>
      <thead>
        <tr>
          {names.length === 0 && <td rowSpan={2} />}
          {names.map((name) => (
            <th scope="col" rowSpan={2} key={name}>
              {name === "hour" || name === "day" ? t.usage[name] : nameOf(t, name)}
            </th>
          ))}
          <th scope="colgroup" colSpan={REQUESTS.length + 1} class="group">
            {t.usage.measures.requests}
          </th>
          <th scope="colgroup" colSpan={TOKENS.length} class="group">
            {t.usage.measures.tokens}
          </th>
          {images.map((member) => (
            <th scope="col" rowSpan={2} class="number" key={member}>
              {t.usage.parts[member]}
            </th>
          ))}
          <th scope="col" rowSpan={2} class="number">
            {t.usage.parts.cost}
          </th>
          {withMoney && (
            <th scope="col" rowSpan={2} class="number">
              {t.usage.parts.nanos}
              {found.currency !== null && ` (${found.currency})`}
            </th>
          )}
        </tr>
        <tr>
          {[...REQUESTS, "refused" as const, ...TOKENS].map((member) => (
            <th scope="col" class={member === "refused" ? undefined : "number"} key={member}>
              {t.usage.parts[member]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {found.lines.map((line) => (
          <tr key={JSON.stringify([line.time, line.names])}>
            {names.length === 0 && <th scope="row">{t.usage.all}</th>}
            {names.map((name, place) => {
              const told = <Told name={name} of={line} isAdmin={isAdmin} />;
              return place === 0 ? (
                <th scope="row" key={name}>
                  {told}
                </th>
              ) : (
                <td key={name}>{told}</td>
              );
            })}
            <Amounts of={line.sums} images={images} withMoney={withMoney} />
          </tr>
        ))}
      </tbody>
      {found.lines.length > 1 && (
        <tfoot>
          <tr>
            <th scope="row" colSpan={Math.max(names.length, 1)}>
              {t.usage.sum}
            </th>
            <Amounts of={total(found.lines)} images={images} withMoney={withMoney} />
          </tr>
        </tfoot>
      )}
    </Table>
  );
}

// In the order of the API's CSV.
function columnsOf(found: Found): Array<Name | Unit> {
  const [account, others] = [
    found.by.filter((name) => name === "account"),
    found.by.filter((name) => name !== "account"),
  ];
  return [...account, ...(found.unit ? [found.unit] : []), ...others];
}

function Told({ name, of: line, isAdmin }: { name: Name | Unit; of: Line; isAdmin: boolean }): ComponentChildren {
  const { t } = useApp();
  if (name === "hour" || name === "day") return <span class="time">{timeText(line.time ?? "")}</span>;
  const text = line.names[name] ?? null;
  if (text === null || (name === "user" && text === "others")) return <span class="none">{t.usage.others}</span>;
  if (name === "user" && text === "none") return <span class="none">{t.usage.nobody}</span>;
  if (name === "model" || name === "endpoint")
    return (
      <bdi class="name" title={text}>
        {text}
      </bdi>
    );
  const id = <Id text={text} isShort />;
  if (isAdmin && name === "account") return <a href={`#/accounts/${encodeURIComponent(text)}`}>{id}</a>;
  return isAdmin && text.startsWith("key_") ? <a href={`#/keys/${text}`}>{id}</a> : id;
}

function Amounts({ of: sums, images, withMoney }: { of: Sums; images: readonly Count[]; withMoney: boolean }) {
  const { language } = useApp();
  const cell = (member: Count) => (
    <td class="number" key={member}>
      {whole(sums[member], language)}
    </td>
  );
  return (
    <>
      {REQUESTS.map(cell)}
      <td>
        <span class="limits">
          {refusedOf(sums) === 0n
            ? whole(0n, language)
            : [...sums.refused].map(([limit, times]) => (
                <span class="tag" key={limit}>
                  {limit} <b>{whole(times, language)}</b>
                </span>
              ))}
        </span>
      </td>
      {TOKENS.map(cell)}
      {images.map(cell)}
      {cell("cost")}
      {withMoney && <td class="number">{money(sums.nanos, language)}</td>}
    </>
  );
}

/** What a name is called. */
export function nameOf(t: Texts, name: Name): string {
  return {
    account: t.key.account,
    key: t.key.one,
    model: t.play.model,
    endpoint: t.usage.endpoint,
    user: t.usage.user,
  }[name];
}

const REQUESTS = ["served", "failed", "lapsed"] as const;
const TOKENS = ["prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens"] as const;
// Where there are any.
const IMAGES = ["images", "image_steps"] as const;
