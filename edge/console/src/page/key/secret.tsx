// A new secret: shown once, copied or tried out, and then gone.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { Notice } from "../../part/notice.tsx";
import { Copy, Facts, Id, Moment, Name } from "../../part/show.tsx";

/** The secret of a key that was made or rotated just now. */
export function Secret(props: { secret: string; id: string; name?: string; oldUntil?: number; onEnd?: () => void }) {
  const { t, setPlayKey } = useApp();
  const [isSeen, setSeen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), []);
  const tryOut = () => {
    setPlayKey(props.secret);
    location.hash = "#/playground";
  };
  return (
    <section class="card secret" ref={box} tabIndex={-1} aria-label={t.secret.title}>
      <Notice kind="good" title={t.secret.title}>
        <p>{t.secret.once}</p>
      </Notice>
      {/* Hidden until it is asked for: somebody may be looking over the shoulder. */}
      <output class="code value">{isSeen ? props.secret : hidden(props.secret)}</output>
      <div class="row wrap">
        <Copy text={props.secret} label={t.secret.copy} />
        <button type="button" aria-pressed={isSeen} onClick={() => setSeen(!isSeen)}>
          {isSeen ? t.secret.hide : t.secret.show}
        </button>
        <button type="button" onClick={tryOut}>
          {t.secret.tryOut}
        </button>
        {props.onEnd ? (
          <button type="button" class="main" onClick={props.onEnd}>
            {t.secret.done}
          </button>
        ) : (
          <a class="button main" href={`#/keys/${props.id}`}>
            {t.secret.done}
          </a>
        )}
      </div>
      <Facts
        of={[
          [t.key.id, <Id text={props.id} />],
          ...(props.name === undefined
            ? []
            : [[t.key.name, <Name text={props.name} none={t.key.unnamed} />] as [string, ComponentChildren]]),
          ...(props.oldUntil === undefined
            ? []
            : [[t.secret.oldUntil, <Moment at={props.oldUntil} isWhole />] as [string, ComponentChildren]]),
        ]}
      />
    </section>
  );
}

function hidden(secret: string): string {
  return `${secret.slice(0, 4)}${"•".repeat(secret.length - 4)}`;
}
