// What the platform calls: the front of the module that worker-build has made. `cargo xtask build-edge` joins the two.
//
// worker-build puts a Proxy in front of each class, and another one in front of each method for each call, so that the
// module is made anew after a panic. This does the same with a comparison, at a tenth less of what a refusal costs.
// `criticalError` is worker-build's own mark of a panic; it makes the module anew whenever one of its classes is used.

import { DurableObject } from "cloudflare:workers";
import Made, { Gate as MadeGate, Registry as MadeRegistry } from "../../../../build/index.js";

const state = globalThis.__worker_init_state;
const fetch = Made.prototype.fetch;

// Every start of the Worker sees this: every test, and Cloudflare before it takes a deployment.
if (state?.criticalError !== false || !Number.isInteger(state.instanceId) || typeof fetch !== "function") {
  throw new Error("worker-build's output is not what edge/src/platform/workerd/js/entry.js was written for");
}

// Makes the module anew if a panic has broken it.
function mend() {
  if (state.criticalError) new Made({}, {});
}

// Notes what a panic throws; worker-build notes those that nobody catches.
function note(error) {
  if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
  return error;
}

export default {
  fetch(request, env, ctx) {
    mend();
    try {
      return fetch.call({ env, ctx }, request);
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

    // The Registry's alone.
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

// The classes themselves, without their Proxies.
export const Gate = objectOf(MadeGate.prototype.constructor);
export const Registry = objectOf(MadeRegistry.prototype.constructor);
