//! Writes that an object's rows take together.

use crate::platform::{Result, Storage};

/// Runs what writes: all of it is kept, or nothing.
///
/// # Errors
///
/// Where `write` fails, or the platform keeps nothing. What the instance knows of its rows is then to be forgotten.
pub fn together<T>(storage: &Storage, mut write: impl FnMut() -> Result<T>) -> Result<T> {
    let mut done = None;
    storage.transaction(&mut || {
        done = Some(write()?);
        Ok(())
    })?;
    Ok(done.expect("a transaction that is kept has run"))
}
