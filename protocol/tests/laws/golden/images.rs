//! Pictures as OpenAI's door tells them.

use super::json;
use sluice_protocol::request::bodies::images::PictureFormat;
use sluice_protocol::request::bodies::images::answer::{Image, ImageEvent, ImageUsage, Images, Look};

#[test]
fn pictures_are_told_as_openai_tells_them() {
    let look = || Look::new(PictureFormat::Png, 1_024, 768);
    let images = Images {
        created: 1_700_000_000,
        data: vec![Image { b64_json: "aGk=".into() }, Image { b64_json: "aG8=".into() }],
        look: look(),
        usage: ImageUsage::new(12, 2, 1_024 * 768),
    };
    json("images", &images);
    let partial = ImageEvent::Partial {
        b64_json: "aGk=".into(),
        partial_image_index: 0,
        created_at: 1_700_000_000,
        look: look(),
    };
    let completed = ImageEvent::Completed {
        b64_json: "aG8=".into(),
        created_at: 1_700_000_001,
        look: look(),
        usage: ImageUsage::new(12, 1, 1_024 * 768),
    };
    assert_eq!(
        [&partial, &completed].map(ImageEvent::name).map(|name| name.starts_with("image_generation.")),
        [true; 2]
    );
    json("image_events", &vec![partial, completed]);
}
