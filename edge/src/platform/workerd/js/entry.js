// What the platform calls: the front of the module that wasm-bindgen has bound. `cargo xtask build-edge` joins the two.
//
// A panic leaves WebAssembly broken, so that the module is made anew before the next call: by a comparison, where the front
// that comes with the crate `worker` puts a Proxy before each class and before each method for each call, which is a tenth
// of what a refusal costs. `criticalError` is the crate's own mark of a panic, and `instanceId` counts its starts.

import { DurableObject } from "cloudflare:workers";
import * as module from "../../../../build/bound/index.js";

const state = module.__worker_init_state();

// Every start of the Worker sees this: every test, and Cloudflare before it takes a deployment.
if (state.criticalError !== false || !Number.isInteger(state.instanceId) || typeof module.__wbg_reset_state !== "function") {
  throw new Error("what wasm-bindgen has bound is not what edge/src/platform/workerd/js/entry.js was written for");
}

// Makes the module anew if a panic has broken it.
function mend() {
  if (!state.criticalError) return;
  module.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId++;
}

// Notes what a panic throws.
function note(error) {
  if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
  return error;
}

// What nobody catches.
addEventListener("error", (event) => note(event.error));

// What a task throws that nobody waits for. Whoever met it is answered by the platform, as soon as no timer of its deadlines
// holds it; those of other requests are out of reach from here, and stay.
addEventListener("unhandledrejection", ({ reason }) => {
  if (reason?.cause instanceof WebAssembly.RuntimeError) (globalThis.timersOfDeadlines ?? []).forEach((timer) => clearTimeout(timer));
});

export default {
  fetch(request, env, ctx) {
    mend();
    try {
      return module.fetch(request, env, ctx);
    } catch (error) {
      throw note(error);
    }
  },
};

// An object for the platform around one of the module's, which is made anew, from its storage, when the module is.
function objectOf(Class) {
  return class extends DurableObject {
    #made;
    #instanceId;

    // Most messages are a header, and are answered at once (`Gate::answer`); the rest is what takes a promise.
    fetch(request) {
      return this.#call((made) => {
        const message = made.answer && request.headers.get("secret-message");
        return (message && made.answer(message)) ?? made.fetch(request);
      });
    }

    // Not a Gate's.
    alarm() {
      return this.#call((made) => made.alarm());
    }

    #call(call) {
      mend();
      try {
        if (this.#instanceId !== state.instanceId) {
          this.#made = new Class(this.ctx, this.env);
          this.#instanceId = state.instanceId;
        }
        return call(this.#made);
      } catch (error) {
        throw note(error);
      }
    }
  };
}

export const Gate = objectOf(module.Gate);
export const Registry = objectOf(module.Registry);
export const Responses = objectOf(module.Responses);
export const Jobs = objectOf(module.Jobs);
export const Meter = objectOf(module.Meter);
export const Alerts = objectOf(module.Alerts);
