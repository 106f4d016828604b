//! What the platform calls, made of what the edge is.

use super::objects::{answer, message, message_of};
use super::wait::early;
use super::wait::turn::turn;
use crate::platform::objects::Object;
use crate::platform::{Env, Fault, Response, State};
use std::cell::Cell;
use wasm_bindgen::JsValue;

/// Runs once for an isolate, before its first request.
///
/// `wasm-bindgen-futures` wakes a task through `queueMicrotask` where there is one, and else through a promise that is
/// resolved already. workerd makes a native function for each call of the former: a tenth of a request's whole cost.
pub fn start() {
    // It fails only if the platform should forbid it, and then tasks are woken as before.
    let _ = js_sys::Reflect::set(&js_sys::global(), &"queueMicrotask".into(), &JsValue::UNDEFINED);
}

/// What the platform calls begins with this.
pub fn begin() {
    turn();
}

/// An answer of ours, as the platform wants it: once the body of its request has been read or passed over.
pub async fn served(
    request: &web_sys::Request,
    is_read: &Cell<bool>,
    answered: Result<Response, Fault>,
) -> worker::Result<web_sys::Response> {
    let answer = answered?.0;
    if !is_read.get() {
        early::pass(request).await;
    }
    Ok(answer)
}

/// Starts an object.
pub fn object<T: Object>(state: worker::State, env: worker::Env) -> T {
    turn();
    T::new(State::new(state), Env::new(env))
}

/// What [`at_once`] leaves: a message that is long, or that takes a wait.
pub async fn deliver(object: &impl Object, request: &web_sys::Request) -> worker::Result<web_sys::Response> {
    turn();
    let message = message(request).await?;
    Ok(answer(&object.answer(message).await?)?)
}

/// Answers a message that came as a header, in the turn in which it came.
pub fn at_once(object: &impl Object, header: &str) -> Result<Option<web_sys::Response>, JsValue> {
    turn();
    let answered = object.answer_at_once(&message_of(header)?)?;
    Ok(answered.map(|message| answer(&message)).transpose()?)
}

/// Makes the Worker's exports: its events, and its objects' classes.
macro_rules! entries {
    (
        requests: $serve:path,
        objects that answer at once: { $($Quick:ident: $quick:ty),* $(,)? },
        objects with an alarm: { $($Slow:ident: $slow:ty),* $(,)? } $(,)?
    ) => {
        #[::worker::event(start)]
        fn start() {
            $crate::platform::workerd::entry::start();
        }

        /// Every request.
        #[::worker::event(fetch)]
        async fn main(
            request: ::web_sys::Request,
            env: ::worker::Env,
            context: ::worker::Context,
        ) -> ::worker::Result<::web_sys::Response> {
            use $crate::platform::{Context, Env, Request};
            $crate::platform::workerd::entry::begin();
            // The same request, not a copy of it.
            let own = Request::new(Clone::clone(&request));
            let is_read = own.is_read();
            let served = $serve(own, Env::new(env), Context::new(context)).await;
            $crate::platform::workerd::entry::served(&request, &is_read, served).await
        }

        $(
            /// The Durable Object.
            #[::worker::durable_object(fetch)]
            pub struct $Quick($quick);

            impl ::worker::DurableObject for $Quick {
                fn new(state: ::worker::State, env: ::worker::Env) -> Self {
                    Self($crate::platform::workerd::entry::object(state, env))
                }

                async fn fetch(&self, request: ::worker::Request) -> ::worker::Result<::worker::Response> {
                    let answer = $crate::platform::workerd::entry::deliver(&self.0, request.inner()).await?;
                    Ok(answer.into())
                }
            }

            #[::wasm_bindgen::prelude::wasm_bindgen]
            impl $Quick {
                /// Answers a message that came as a header, in the turn in which it came: nearly all do. Nothing, if that
                /// takes a wait; nothing has been done then.
                pub fn answer(
                    &self,
                    message: &str,
                ) -> Result<Option<::web_sys::Response>, ::wasm_bindgen::JsValue> {
                    $crate::platform::workerd::entry::at_once(&self.0, message)
                }
            }
        )*

        $(
            /// The Durable Object.
            #[::worker::durable_object(alarm)]
            pub struct $Slow($slow);

            impl ::worker::DurableObject for $Slow {
                fn new(state: ::worker::State, env: ::worker::Env) -> Self {
                    Self($crate::platform::workerd::entry::object(state, env))
                }

                async fn fetch(&self, request: ::worker::Request) -> ::worker::Result<::worker::Response> {
                    let answer = $crate::platform::workerd::entry::deliver(&self.0, request.inner()).await?;
                    Ok(answer.into())
                }

                async fn alarm(&self) -> ::worker::Result<::worker::Response> {
                    $crate::platform::workerd::entry::begin();
                    $crate::platform::objects::Object::alarm(&self.0).await?;
                    ::worker::Response::empty()
                }
            }
        )*
    };
}
pub(crate) use entries;
