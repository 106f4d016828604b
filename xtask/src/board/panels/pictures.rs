//! The row of pictures: what was drawn, by the edge's count and by the origins' own, and who waits.

use super::{Panel, Unit, curve, panel, rate, rate_by};

pub(super) fn pictures() -> Vec<Panel> {
    let at_edge = |name: &str| format!("sluice_{name}_total{{job=\"sluice-edge\",model=~\"$model\"}}");
    let at_origin = |name: &str| format!("sluice_origin_{name}_total{{job=\"sluice-origin\",model_name=~\"$model\"}}");
    let places = |name: &str| format!("sum(sluice_image_requests_{name}{{job=\"sluice-origin\"}})");
    vec![
        Panel {
            title: "Pictures",
            says: "The edge counts what was begun, an origin what came to its end.",
            curves: vec![
                curve(rate_by("model", &at_edge("images")), "{{model}}, begun"),
                curve(rate(&at_origin("images")), "done"),
            ],
            ..panel(Unit::PerSecond, 8)
        },
        Panel {
            title: "Steps",
            curves: vec![
                curve(rate_by("model", &at_edge("image_steps")), "{{model}}, as told"),
                curve(rate(&at_origin("image_steps")), "computed"),
            ],
            ..panel(Unit::PerSecond, 8)
        },
        Panel {
            title: "The line for pictures",
            curves: vec![curve(places("running"), "drawn"), curve(places("waiting"), "waiting")],
            ..panel(Unit::Count, 8)
        },
    ]
}
