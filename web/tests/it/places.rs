//! Answers wait for each other, uploads for none of them.

use std::pin::pin;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures::future::{Either, pending, select};
use paygrain_query::{PlaceLimits, Places, QueryError};
use tokio::runtime::Builder;

use crate::{Server, log, request};

/// With one place for answers and room for one that waits, for as long as it takes.
fn narrow() -> Places {
    Places::new(PlaceLimits { at_once: 1, waiting_max: 1, patience: std::time::Duration::from_secs(3600) })
}

#[tokio::test]
async fn uploads_and_kept_answers_pass_by_answers_that_wait() {
    // Answers have one thread, and no other runs them.
    let threads =
        Builder::new_multi_thread().worker_threads(1).thread_stack_size(16 << 20).enable_all().build().unwrap();
    let server = Server::with_places(narrow(), threads.handle().clone()).await;
    let kept = server.get("/api/v1/charges?period=2026-10").await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text);

    // What holds the place never ends by itself.
    let places = server.engine.places();
    let held = Box::pin(places.with(pending::<Result<(), QueryError>>()));
    let Either::Right((_, held)) = select(held, pin!(tokio::task::yield_now())).await else { panic!("it ended") };
    assert_eq!(places.taken(), 1);

    let waits = Box::pin(server.get("/api/v1/charges?period=2026-09"));
    let is_waiting = Box::pin(async {
        while places.taken() < 2 {
            tokio::task::yield_now().await;
        }
    });
    let Either::Right((_, waits)) = select(waits, is_waiting).await else { panic!("there is one place") };

    let refused = server.get("/api/v1/reports/durations?period=2026-10").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "1"),
        "{}",
        refused.text
    );
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem = refused.json();
    assert_eq!((&problem["status"], &problem["title"]), (&429.into(), &"Too many at once".into()));
    assert_eq!(
        problem["detail"],
        "as many answers are being worked out as may at once (1), and as many wait for it as may (1)"
    );
    let page = server.get("/bill?period=2026-09&provider=aws").await;
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));

    for (url, status) in [
        ("/api/v1/charges?period=2026-10", StatusCode::OK),
        ("/bill?period=2026-10&by=day", StatusCode::OK),
        ("/favicon.ico", StatusCode::PERMANENT_REDIRECT),
        ("/api/v1/uploads/running", StatusCode::OK),
        ("/uploads", StatusCode::OK),
    ] {
        assert_eq!(server.get(url).await.status, status, "{url}");
    }
    let upload = request(Method::PUT, "/api/v1/uploads/more.log?account=1&region=us-east-1&resource=f");
    let landed = server.send(upload.body(Body::from(log(5, "2026-10", 100))).unwrap()).await;
    assert_eq!(landed.status, StatusCode::CREATED, "{}", landed.text);

    drop(held);
    let answer = waits.await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["charges"][0]["record_count"], 3);
    threads.shutdown_background();
}
