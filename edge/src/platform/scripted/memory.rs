//! Memory of isolates, and what the edge is to a world.

use super::course;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What every isolate has once, and no two of them share. It is made when it is first looked at.
pub struct IsolateKey<T: 'static>(fn() -> T);

impl<T: 'static> IsolateKey<T> {
    /// How it begins.
    pub const fn new(make: fn() -> T) -> Self {
        Self(make)
    }

    /// The running isolate's.
    pub fn with<R>(&'static self, look: impl FnOnce(&T) -> R) -> R {
        let place = std::ptr::from_ref(self).addr();
        let known = course::with_memory(|memory| memory.get(&place).cloned());
        let value = known.unwrap_or_else(|| {
            let made: Rc<dyn Any> = Rc::new((self.0)());
            course::with_memory(|memory| memory.insert(place, made.clone()));
            made
        });
        look(value.downcast_ref().expect("a key's place holds what the key made"))
    }
}

impl<T: 'static> IsolateKey<RefCell<T>> {
    /// Looks at it.
    pub fn with_borrow<R>(&'static self, look: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| look(&cell.borrow()))
    }

    /// Changes it.
    pub fn with_borrow_mut<R>(&'static self, change: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| change(&mut cell.borrow_mut()))
    }

    /// Puts something else there.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: Copy + 'static> IsolateKey<Cell<T>> {
    /// A copy of it.
    pub fn get(&'static self) -> T {
        self.with(Cell::get)
    }

    /// Puts something else there.
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }
}

/// Declares memory of one isolate.
macro_rules! isolate_local {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = $made:expr;)*) => {
        $($(#[$attribute])* static $name: $crate::platform::IsolateKey<$type> =
            $crate::platform::IsolateKey::new(|| $made);)*
    };
}
pub(crate) use isolate_local;

/// Makes a function that gives the edge to a world.
macro_rules! entries {
    (
        requests: $serve:path,
        objects that answer at once: { $($Quick:ident: $quick:ty),* $(,)? },
        objects with an alarm: { $($Slow:ident: $slow:ty),* $(,)? } $(,)?
    ) => {
        /// The edge, for a scripted world.
        pub fn edge() -> $crate::platform::scripted::Edge {
            $crate::platform::scripted::Edge::new(|request, env, context| Box::pin($serve(request, env, context)))
                $(.with_objects::<$quick>(stringify!($Quick)))*
                $(.with_objects::<$slow>(stringify!($Slow)))*
        }
    };
}
pub(crate) use entries;
