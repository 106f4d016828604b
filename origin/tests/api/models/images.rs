//! Models that draw.

mod broken;
mod drawing;
mod oracle;
mod program;

use serde_json::Value;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::ZImage;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use std::path::Path;

/// The smallest one, as it lies on a disk.
fn smallest(directory: &Path) -> MadeUp {
    let made_up = MadeUp::smallest();
    made_up.write(directory, 3).unwrap();
    made_up
}

fn load(directory: &Path) -> ZImage {
    ZImage::load(directory, Precision::F32).unwrap()
}

/// Changes a JSON file.
fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}
