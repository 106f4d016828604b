//! The board, in the form in which Grafana reads it: JSON, as its page *Import* takes it.

use serde_json::{Value, json};

use super::panels::{Panel, Row, Unit, Variable};

/// The file.
pub(super) fn board(rows: &[Row], variables: &[Variable]) -> String {
    let chosen: Vec<_> = [data_source()].into_iter().chain(variables.iter().map(variable)).collect();
    let board = json!({
        "uid": "sluice",
        "title": "Sluice",
        "description": "Made by `cargo xtask board` from xtask/src/board/panels.rs. docs/measures.md has more.",
        "tags": ["sluice"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "links": [],
        "annotations": {"list": []},
        "templating": {"list": chosen},
        "panels": placed(rows),
    });
    format!("{board:#}\n")
}

/// Rows below each other, and in each its panels from left to right, as many as fit.
fn placed(rows: &[Row]) -> Vec<Value> {
    let (mut all, mut y) = (Vec::new(), 0);
    for row in rows {
        let mut head = json!({"id": all.len() + 1, "type": "row", "title": row.title, "collapsed": false});
        head["gridPos"] = json!({"h": 1, "w": COLUMNS, "x": 0, "y": y});
        head["panels"] = json!([]);
        all.push(head);
        let mut x = 0;
        y += 1;
        for panel in &row.panels {
            if x + panel.width > COLUMNS {
                (x, y) = (0, y + HEIGHT);
            }
            let place = json!({"h": HEIGHT, "w": panel.width, "x": x, "y": y});
            all.push(drawn(panel, all.len() + 1, &place));
            x += panel.width;
        }
        y += HEIGHT;
    }
    all
}

fn drawn(panel: &Panel, id: usize, place: &Value) -> Value {
    let Panel { title, says, unit, stacked, curves, .. } = panel;
    let targets = curves.iter().zip('A'..).map(|(curve, name)| {
        json!({
            "refId": name,
            "datasource": source(),
            "editorMode": "code",
            "expr": curve.query,
            "legendFormat": curve.legend,
            "range": true,
        })
    });
    let mut values = json!({"unit": unit.name(), "min": 0});
    if *unit == Unit::Count {
        values["decimals"] = 0.into();
    }
    values["custom"] = json!({
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": if *stacked { 30 } else { 5 },
        "showPoints": "never",
        "spanNulls": false,
        "stacking": {"mode": if *stacked { "normal" } else { "none" }, "group": "A"},
    });
    json!({
        "id": id,
        "type": "timeseries",
        "title": title,
        "description": says,
        "datasource": source(),
        "gridPos": place,
        "fieldConfig": {"defaults": values, "overrides": []},
        "options": {
            "legend": {"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": targets.collect::<Vec<_>>(),
    })
}

/// Where Prometheus is, whoever looks chooses.
fn data_source() -> Value {
    json!({
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "includeAll": false,
        "multi": false,
        "options": [],
        "refresh": 1,
        "regex": "",
    })
}

/// All values, at first; also the empty one, so that whatever has none is not left out.
fn variable(variable: &Variable) -> Value {
    let Variable { name, title, measure, label } = variable;
    let query = format!("label_values({measure}, {label})");
    json!({
        "name": name,
        "label": title,
        "type": "query",
        "datasource": source(),
        "definition": query,
        "query": {"query": query, "refId": name},
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        "allValue": ".*",
        "hide": 0,
        "includeAll": true,
        "multi": true,
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Share => "percentunit",
            Self::Bytes => "bytes",
            Self::Celsius => "celsius",
            Self::Watts => "watt",
        }
    }
}

/// Of the form: Grafana 11's. Newer ones read it, and write theirs.
const SCHEMA: u64 = 39;
/// How many there are, by Grafana.
const COLUMNS: u64 = 24;
/// How high a panel is, in Grafana's lines.
const HEIGHT: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::panels::{VARIABLES, rows};
    use std::collections::BTreeSet;

    fn read() -> Value {
        serde_json::from_str(&board(&rows(), &VARIABLES)).unwrap()
    }

    #[test]
    fn panels_lie_side_by_side_and_not_on_each_other() {
        let board = read();
        let panels = board["panels"].as_array().unwrap();
        let mut taken = BTreeSet::new();
        for panel in panels {
            let [h, w, x, y] = ["h", "w", "x", "y"].map(|side| panel["gridPos"][side].as_u64().unwrap());
            assert!(x + w <= COLUMNS, "{panel}");
            let cells = (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y)));
            cells.for_each(|cell| assert!(taken.insert(cell), "{panel}"));
        }
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), panels.len());
    }

    #[test]
    fn what_is_chosen_is_used() {
        let board = read();
        let text = board["panels"].to_string();
        for variable in board["templating"]["list"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}")), "{name}");
        }
        assert!(
            board["panels"]
                .as_array()
                .unwrap()
                .iter()
                .all(|panel| { panel["type"] == "row" || !panel["targets"].as_array().unwrap().is_empty() })
        );
    }
}
