//! The cache: what is put there may be gone at any time, and is gone after its time.

use super::course::{self, Cached};
use super::http::Body;
use crate::platform::{Fault, now, sleep};

/// What is kept under a key: a note, and a body.
pub async fn cache_match(key: &str) -> Result<Option<(String, Body)>, Fault> {
    pause().await?;
    let is_gone = course::happens(|faults| faults.lost);
    let kept = course::of_thread(|course| course.cache.borrow().get(key).cloned()).flatten();
    let kept = kept.filter(|kept| !is_gone && kept.until > now());
    Ok(kept.map(|kept| (kept.note, Body::of_bytes(&kept.body))))
}

/// Keeps a body and a note under a key, for so many seconds at most.
pub async fn cache_put(key: &str, seconds: u32, note: &str, body: &Body) -> Result<(), Fault> {
    pause().await?;
    let kept = Cached { until: now() + u64::from(seconds) * 1_000, note: note.to_owned(), body: body.bytes() };
    course::of_thread(|course| course.cache.borrow_mut().insert(key.to_owned(), kept));
    Ok(())
}

async fn pause() -> Result<(), Fault> {
    let ms = course::of_thread(|course| course.rng.borrow_mut().below(5)).unwrap_or(0);
    sleep(u32::try_from(ms).unwrap_or(0)).await;
    if course::happens(|faults| faults.unreachable) { Err("the cache cannot be reached".into()) } else { Ok(()) }
}
