// A streamed picture: what is asked, as a body and as snippets, and what its events and comments tell.

import type { ServerEvent } from "../api/events.ts";
import { type Call, type Course, START } from "./course.ts";

/** How far a picture is. */
export interface PictureCourse extends Course {
  /** What is to be seen of it, as the address of an image. */
  image?: string;
  /** The image is the picture, and no preview. */
  isWhole: boolean;
  /** How many are drawn before. */
  ahead?: number;
  /** When it begins, by the origin's measure. */
  beginsInSeconds?: number;
  steps?: { done: number; all: number };
  usage?: { input_tokens: number; output_tokens: number };
}

/** Before anything was sent. */
export const PICTURE_START: PictureCourse = { ...START, isWhole: false };

/** The forms that a picture can have. */
export const FORMATS = ["png", "jpeg", "webp"] as const;

/** A request as the playground has it. */
export interface PictureRequest {
  model: string;
  prompt: string;
  size: string;
  steps: number | null;
  seed: number | null;
  format: (typeof FORMATS)[number];
  /** Whether previews are shown. Each is decoded as the picture itself is. */
  hasPreviews: boolean;
}

/** The body of a request for one picture. */
export function pictureBody(request: PictureRequest): Record<string, unknown> {
  return {
    model: request.model,
    prompt: request.prompt,
    ...(request.size === "" ? {} : { size: request.size }),
    ...(request.steps === null ? {} : { num_inference_steps: request.steps }),
    ...(request.seed === null ? {} : { seed: request.seed }),
    ...(request.format === "png" ? {} : { output_format: request.format }),
  };
}

/** The call of a request. */
export function pictureCall(request: PictureRequest): Call<PictureCourse> {
  return {
    path: "/v1/images/generations",
    body: { ...pictureBody(request), stream: true, ...(request.hasPreviews ? { partial_images: 3 } : {}) },
    start: PICTURE_START,
    read: (_, event) => readPicture(event, request.format),
    note: (_, comment) => readNote(comment),
    hasBegun: (course) => course.image !== undefined,
  };
}

/** What an event of a picture changes. */
export function readPicture({ data }: ServerEvent, format: PictureRequest["format"]): Partial<PictureCourse> {
  const event = JSON.parse(data) as { type?: string; b64_json?: string; usage?: NonNullable<PictureCourse["usage"]> };
  if (event.b64_json === undefined) return {};
  return {
    image: `data:image/${format};base64,${event.b64_json}`,
    isWhole: event.type === "image_generation.completed",
    ...(event.usage ? { usage: event.usage } : {}),
  };
}

/** What a comment says of the line or of the steps. Others say nothing that is shown. */
export function readNote(comment: string): Partial<PictureCourse> {
  const queued = comment.match(/^queued, (\d+) ahead(?:, begins in about (\d+) s)?$/);
  if (queued) {
    return { ahead: Number(queued[1]), ...(queued[2] === undefined ? {} : { beginsInSeconds: Number(queued[2]) }) };
  }
  const step = comment.match(/^step (\d+) of (\d+)/);
  return step ? { steps: { done: Number(step[1]), all: Number(step[2]) } } : {};
}

/** The same call for a shell, the picture in a file. The key is in a variable: it is in no history. */
export function pictureCurl(origin: string, request: PictureRequest): string {
  const body = JSON.stringify(pictureBody(request)).replaceAll("'", "'\\''");
  return [
    `curl ${origin}/v1/images/generations \\`,
    `  -H "authorization: Bearer $SLUICE_KEY" -H 'content-type: application/json' \\`,
    `  -d '${body}' |`,
    `  jq -r '.data[0].b64_json' | base64 -d > picture.${request.format}`,
  ].join("\n");
}

/** The same call in Python, by OpenAI's package. */
export function picturePython(origin: string, request: PictureRequest): string {
  // What OpenAI's package has no argument for goes into the body as it is.
  const { model, prompt, size, output_format, ...more } = pictureBody(request);
  const named = Object.entries({ model, prompt, size, output_format }).filter(([, value]) => value !== undefined);
  return [
    "import base64, os",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${origin}/v1", api_key=os.environ["SLUICE_KEY"])`,
    "answer = client.images.generate(",
    // JSON's strings, numbers and objects are Python's, too.
    ...named.map(([name, value]) => `    ${name}=${JSON.stringify(value)},`),
    ...(Object.keys(more).length === 0 ? [] : [`    extra_body=${JSON.stringify(more)},`]),
    ")",
    `with open("picture.${request.format}", "wb") as file:`,
    "    file.write(base64.b64decode(answer.data[0].b64_json))",
  ].join("\n");
}
