// The playground: one chat or one picture through both gates, with all that the answer says of limits, time and usage.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { Api } from "../../api/client.ts";
import { TextField } from "../../part/field.tsx";
import { useLoad } from "../../part/load.ts";
import { PlayChat } from "./chat.tsx";
import { PlayPicture } from "./picture.tsx";

/** What each form is given. */
export interface Play {
  /** By which it calls. */
  api: Api;
  /** The model that is called; empty while none is known. */
  model: string;
}

/** `/playground`. The model that is chosen decides what is asked of it. */
export function PlaygroundPage() {
  const { t, session, playKey, setPlayKey } = useApp();
  const [chosen, setChosen] = useState("");
  const list = useModels(playKey);
  const models = list.value ?? [];
  const model = chosen || models[0]?.id || "";
  const draws = models.some((one) => one.id === model && one.capabilities.includes("image"));
  const api = new Api(playKey === "" ? null : playKey);
  return (
    <>
      <h1>{t.pages.playground}</h1>
      <div class="card form">
        <div class="columns narrow">
          {session.kind === "admin" && (
            <TextField
              label={t.play.key}
              type="password"
              value={playKey}
              onInput={(key) => setPlayKey(key.trim())}
              hint={t.play.keyHint}
              mistake={playKey !== "" && list.refused?.status === 401 ? list.refused.message : undefined}
              isCode
            />
          )}
          <datalist id="models">
            {models.map((one) => (
              <option key={one.id} value={one.id} />
            ))}
          </datalist>
          <TextField
            label={t.play.model}
            value={chosen}
            placeholder={models[0]?.id ?? ""}
            onInput={(value) => setChosen(value.trim())}
            list="models"
            hint={list.refused ? t.play.noModels : undefined}
            isCode
          />
        </div>
      </div>
      {draws ? <PlayPicture api={api} model={model} /> : <PlayChat api={api} model={model} />}
    </>
  );
}

// The models that this key may use. Without one, those of callers without a key, if they are let in.
function useModels(key: string) {
  return useLoad(
    async (signal) => {
      const list = await new Api(key === "" ? null : key).ask("GET /v1/models", { signal });
      return list.body.data;
    },
    [key],
  );
}
