// A picture in the playground: its form, and the picture while it is drawn.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { Texts } from "../../text/en.ts";
import { count, fill, span } from "../../format.ts";
import { AreaField, ChoiceField, TextField, TickField } from "../../part/field.tsx";
import { Refusal } from "../../part/notice.tsx";
import {
  FORMATS,
  PICTURE_START,
  type PictureCourse,
  type PictureRequest,
  pictureCall,
  pictureCurl,
  picturePython,
} from "../../play/picture.ts";
import { AnswerFacts, AnswerHead, Buttons, Snippets, Told, isRunning, useCourse } from "./told.tsx";
import type { Play } from "./playground.tsx";

/** Asks a model for a picture. */
export function PlayPicture({ api, model }: Play) {
  const { t } = useApp();
  const [request, setRequest] = useState<Omit<PictureRequest, "model">>({
    prompt: t.play.pictureExample,
    size: "",
    steps: null,
    seed: null,
    format: "png",
    hasPreviews: true,
  });
  // What the picture on the page shows: the form may say something else by now.
  const [drawn, setDrawn] = useState<PictureRequest>();
  const { course, send, stop } = useCourse(api, PICTURE_START);
  const set = <N extends keyof typeof request>(name: N, value: (typeof request)[N]) =>
    setRequest((all) => ({ ...all, [name]: value }));
  const mistake = (param: string) => (course.refused?.param === param ? course.refused.message : undefined);
  const number = (value: string) => (value === "" ? null : Number(value));
  const asked = { ...request, model };
  const go = (event: Event) => {
    event.preventDefault();
    if (send(pictureCall(asked))) setDrawn(asked);
  };
  return (
    <>
      <div class="play">
        <form class="card form" onSubmit={go}>
          <AreaField
            label={t.play.prompt}
            value={request.prompt}
            rows={4}
            onInput={(value) => set("prompt", value)}
            mistake={mistake("prompt")}
            hint={t.play.sendHint}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go(event);
            }}
          />
          <datalist id="sizes">
            {SIZES.map((size) => (
              <option key={size} value={size} />
            ))}
          </datalist>
          <div class="columns narrow">
            <TextField
              label={t.play.size}
              value={request.size}
              placeholder="auto"
              list="sizes"
              mistake={mistake("size")}
              onInput={(value) => set("size", value.trim())}
              isCode
            />
            <TextField
              label={t.play.steps}
              type="number"
              min={1}
              value={request.steps === null ? "" : String(request.steps)}
              placeholder="8"
              mistake={mistake("num_inference_steps")}
              onInput={(value) => set("steps", number(value))}
            />
          </div>
          <div class="columns narrow">
            <TextField
              label={t.play.seed}
              type="number"
              min={0}
              value={request.seed === null ? "" : String(request.seed)}
              hint={t.play.seedHint}
              mistake={mistake("seed")}
              onInput={(value) => set("seed", number(value))}
            />
            <ChoiceField
              label={t.play.format}
              value={request.format}
              choices={FORMATS.map((one) => [one, one.toUpperCase()])}
              onInput={(value) => set("format", FORMATS.find((one) => one === value) ?? "png")}
            />
          </div>
          <TickField label={t.play.previews} isOn={request.hasPreviews} onInput={(isOn) => set("hasPreviews", isOn)} />
          <Buttons label={t.play.draw} course={course} canSend={model !== ""} stop={stop} />
        </form>
        <PictureCard course={course} drawn={drawn} />
      </div>
      <Told course={course} />
      <Snippets curl={pictureCurl(location.origin, asked)} python={picturePython(location.origin, asked)} />
    </>
  );
}

function PictureCard({ course, drawn }: { course: PictureCourse; drawn: PictureRequest | undefined }) {
  const { t, language } = useApp();
  const { image, steps } = course;
  const runs = isRunning(course);
  return (
    <section class="card answer" aria-label={t.play.picture}>
      <AnswerHead title={t.play.picture} state={stateOf(course, t)} />
      <Refusal refused={course.refused} />
      {steps && runs && <progress value={steps.done} max={steps.all} aria-label={t.play.steps} />}
      <div class={`drawn${course.isWhole ? "" : " preview"}`} aria-busy={runs}>
        {image && <img src={image} alt={drawn?.prompt ?? ""} />}
      </div>
      {image && course.isWhole && (
        <p>
          <a href={image} download={`picture.${drawn?.format ?? "png"}`}>
            {t.play.savePicture}
          </a>
        </p>
      )}
      <AnswerFacts
        course={course}
        first={t.play.firstPreview}
        more={[[t.play.steps, steps && `${count(steps.done, language)} / ${count(steps.all, language)}`]]}
      />
    </section>
  );
}

// Where it is: in the line, or at which step.
function stateOf(course: PictureCourse, t: Texts): string {
  if (!isRunning(course)) return t.play.states[course.state];
  if (course.steps) return fill(t.play.step, { done: String(course.steps.done), all: String(course.steps.all) });
  if (course.ahead === undefined) return t.play.states[course.state];
  const ahead = fill(t.play.ahead, { count: String(course.ahead) });
  if (course.beginsInSeconds === undefined) return ahead;
  return fill(t.play.aheadFor, { ahead, span: span(course.beginsInSeconds * 1000) });
}

const SIZES = ["auto", "512x512", "768x768", "1024x1024", "1152x896", "896x1152"];
