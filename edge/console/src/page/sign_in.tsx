// Signing in: an admin's token or a caller's key, kept in this tab alone.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Refused, asRefused } from "../api/refusal.ts";
import { type Session, signIn } from "../api/session.ts";
import { Notice, RefusalIn } from "../part/notice.tsx";
import { Field } from "../part/field.tsx";
import type { Texts } from "../text/en.ts";

/** The page of whoever is not signed in. */
export function SignIn(props: {
  t: Texts;
  isUnknown: boolean;
  onEnter: (session: Session) => void;
  language: ComponentChildren;
}) {
  const { t } = props;
  const [text, setText] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState<Refused>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = `${t.signIn.title} · Sluice`;
  }, [t]);
  useEffect(() => input.current?.focus(), []);
  const enter = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setRefused(undefined);
    try {
      props.onEnter(await signIn(text));
    } catch (error) {
      setRefused(asRefused(error));
      setBusy(false);
      input.current?.focus();
    }
  };
  return (
    <main class="sign-in">
      <form onSubmit={enter}>
        <div class="row between">
          <div class="brand">
            <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
              <path d="M3 5h4v14H3zM17 5h4v14h-4zM9 5h6v5H9z" />
            </svg>
            Sluice
          </div>
          {props.language}
        </div>
        <h1>{t.signIn.title}</h1>
        {props.isUnknown && !refused && <Notice kind="plain">{t.signIn.ended}</Notice>}
        <Field label={t.signIn.credential} hint={t.signIn.hint}>
          {(wired) => (
            <input
              {...wired}
              ref={input}
              type="password"
              class="code"
              value={text}
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          )}
        </Field>
        {refused && <RefusalIn t={t} refused={refused} />}
        <button type="submit" class="main" disabled={isBusy}>
          {isBusy ? t.signIn.busy : t.signIn.enter}
        </button>
        <p class="hint">{t.signIn.kept}</p>
      </form>
    </main>
  );
}
