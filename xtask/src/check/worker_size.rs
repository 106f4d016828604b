//! `wrangler deploy --dry-run`: what would be uploaded, and that it stays small enough to start quickly.

use anyhow::{Result, bail};

/// A Worker starts in proportion to its size, and Cloudflare's free plan takes 3 MB.
const LIMIT_KIB: f64 = 1536.0;

/// What to do about a Worker that is too large.
const FIX: &str = "look with `twiggy top edge/build/index_bg.wasm` at what grew, \
    or raise LIMIT_KIB in xtask/src/check/worker_size.rs with the reason in the commit";

/// Reads the size from wrangler's output, and judges it.
pub(super) fn judge(printed: &str) -> Result<String> {
    let Some((total, gzip)) = printed.lines().find_map(sizes) else {
        bail!("wrangler did not print `Total Upload: ... / gzip: ...`:\n{printed}");
    };
    if gzip > LIMIT_KIB {
        bail!("the Worker is {gzip:.0} KiB gzipped, more than {LIMIT_KIB:.0}\n-> {FIX}");
    }
    Ok(format!("{total:.0} KiB, {gzip:.0} KiB gzipped"))
}

/// `Total Upload: 1234.56 KiB / gzip: 345.67 KiB`
fn sizes(line: &str) -> Option<(f64, f64)> {
    let (_, sizes) = line.split_once("Total Upload:")?;
    let (total, gzip) = sizes.split_once("/ gzip:")?;
    let kib = |text: &str| text.trim().strip_suffix("KiB")?.trim().parse().ok();
    Some((kib(total)?, kib(gzip)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_worker_is_refused() {
        assert_eq!(judge("x\nTotal Upload: 1300.10 KiB / gzip: 480.60 KiB\n").unwrap(), "1300 KiB, 481 KiB gzipped");
        assert!(judge("Total Upload: 4000.00 KiB / gzip: 1600.00 KiB").is_err());
        assert!(judge("nothing").is_err());
    }
}
