//! What an isolate of the edge holds, seen from outside of it. Nothing of this is in the Worker: its module stands
//! behind another one that is written here, which looks at what the platform is asked for.

use serde_json::Value;

/// What one isolate holds, and what it has asked for so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The size of WebAssembly's memory, which never shrinks.
    pub memory: u64,
    /// The most promises that were waited for at once: a slot that nobody gives back is never given out again.
    pub slots: u64,
    /// How many promises were waited for.
    pub waits: u64,
    /// How many timers were set.
    pub timers: u64,
    /// How often the Worker's module was made.
    pub instances: u64,
}

impl Observed {
    pub(crate) fn read(answer: &Value) -> Self {
        let [memory, slots, waits, timers, instances] = ["memory", "slots", "waits", "timers", "instances"]
            .map(|name| answer[name].as_u64().expect("our own module counts"));
        Self { memory, slots, waits, timers, instances }
    }
}

/// The path that the module answers.
pub(crate) const PATH: &str = "/.observed";
/// The path after which WebAssembly traps at the next promise that it waits for, as it does where Rust panics.
pub(crate) const TRAP: &str = "/.trap";

/// The module in front of the next one.
pub(crate) fn module(next: &str) -> String {
    MODULE.replace("@NEXT@", next).replace("@PATH@", PATH).replace("@TRAP@", TRAP)
}

const MODULE: &str = r#"import { seen } from "observer.js";
import deployed, { Gate, Registry, Responses, Jobs } from "@NEXT@";

export { Gate, Registry, Responses, Jobs };

export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "@TRAP@") seen.traps = true;
    else if (pathname !== "@PATH@") return deployed.fetch(request, env, ctx);
    const { slots, waits, timers, instances } = seen;
    return Response.json({ memory: seen.memory.buffer.byteLength, slots, waits, timers, instances });
  },
};
"#;

/// The module that is loaded before the Worker's own, and stands in for what that one takes from the platform.
pub(crate) const OBSERVER: &str = r#"export const seen = { memory: undefined, slots: 0, waits: 0, timers: 0, instances: 0, traps: false };

const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const observed = {};
  for (const [from, functions] of Object.entries(imports)) {
    observed[from] = { ...functions };
    for (const [name, watch] of Object.entries(functions)) {
      if (!name.startsWith("__wbg_watch_")) continue;
      observed[from][name] = (promise, slot, ...rest) => {
        if (seen.traps) {
          seen.traps = false;
          throw new WebAssembly.RuntimeError("unreachable");
        }
        seen.waits += 1;
        seen.slots = Math.max(seen.slots, slot + 1);
        return watch(promise, slot, ...rest);
      };
    }
  }
  const instance = new Instance(module, observed);
  seen.memory = instance.exports.memory;
  seen.instances += 1;
  return instance;
};

const { setTimeout } = globalThis;
globalThis.setTimeout = (...given) => {
  seen.timers += 1;
  return setTimeout(...given);
};
"#;
