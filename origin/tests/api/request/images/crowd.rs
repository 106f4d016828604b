//! Many at once, and those that leave.

use super::{alone, ask, drawing, file, picture, read_png, request, smallest};
use crate::harness::{client, parts, until_then};
use serde_json::json;
use sluice_origin::config::Config;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn of_fifty_at_once_none_is_lost_and_each_that_is_refused_is_told_when_to_come() {
    let harness = Arc::new(drawing(Config { image_queue: 8, ..Config::local() }).await);
    let mut model = smallest();
    let expected: Vec<Vec<u8>> = (0..50).map(|seed| alone(&mut model, seed, 2)).collect();
    // Once, so that times are known.
    ask(&harness, &picture(&json!({}))).await;
    let callers = (0..50_u64).map(|seed| {
        let harness = Arc::clone(&harness);
        tokio::spawn(async move {
            let mut refused = 0;
            loop {
                let response = request(&harness, &picture(&json!({"seed": seed}))).send().await.unwrap();
                let wait = response.headers().get("retry-after-ms").map(|wait| wait.to_str().unwrap().parse().unwrap());
                let (status, told) = parts(response).await;
                match (status, wait) {
                    (200, _) => return (seed, told, refused),
                    (503, Some(wait)) => {
                        refused += 1;
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                    other => panic!("{other:?}: {told}"),
                }
            }
        })
    });
    let mut most = 0;
    for caller in callers.collect::<Vec<_>>() {
        let (seed, told, refused) = caller.await.unwrap();
        assert_eq!(read_png(&file(&told["data"][0])).0, expected[seed as usize], "seed {seed}");
        most = most.max(refused);
    }
    assert!(most > 0, "the crowd was none");
}

#[tokio::test]
async fn a_thousand_that_leave_at_every_stage_leave_nothing_behind() {
    let harness = drawing(Config { image_queue: 4, ..Config::local() }).await;
    let address = harness.url.strip_prefix("http://").unwrap().to_owned();
    let body = picture(&json!({"num_inference_steps": 50, "stream": true})).to_string();
    let head = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let whole = format!("{head}{body}");
    for round in 0..1_000_usize {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        // In the head, in the body, with all of it sent, with the head of the answer read, and within its steps.
        let sent = match round % 5 {
            0 => head.len() / 2,
            1 => head.len() + body.len() / 2,
            _ => whole.len(),
        };
        connection.write_all(&whole.as_bytes()[..sent]).await.unwrap();
        if round % 5 > 2 {
            let mut buffer = vec![0; if round % 5 == 3 { 16 } else { 600 }];
            let _ = connection.read(&mut buffer).await;
        }
        // A reset, now and then.
        if round % 2 == 0 {
            connection.set_zero_linger().unwrap();
        }
        drop(connection);
    }
    // The slot and all places are free: five come at once, of which one is drawn and four wait.
    until_then("all places are free", async || {
        let text = client().get(format!("{}/metrics", harness.url)).send().await.unwrap().text().await.unwrap();
        let told = |name: &str| text.lines().any(|line| line == format!("sluice_image_requests_{name} 0"));
        told("running") && told("waiting")
    })
    .await;
    let small = picture(&json!({}));
    let all = futures_util::future::join_all((0..5).map(|_| ask(&harness, &small))).await;
    for (status, told) in all {
        assert_eq!(status, 200, "{told}");
    }
}
