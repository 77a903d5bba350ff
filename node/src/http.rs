//! Health and metrics for Kubernetes and Prometheus: `/livez`, `/readyz`, `/metrics`.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::health::Readiness;
use crate::listener::Listener;
use crate::metrics::Scrape;

/// What the pages show.
#[derive(Clone)]
pub struct Shown {
    /// Whether the node should be given traffic.
    pub readiness: watch::Receiver<Readiness>,
    /// Where the metrics come from.
    pub scrape: Arc<Scrape>,
}

/// Serves the pages until the runtime ends.
///
/// # Errors
/// The socket fails.
pub async fn serve(listener: Listener, shown: Shown) -> io::Result<()> {
    let routes = Router::new()
        // Live: this runtime makes progress. Nothing else is a reason to restart the process.
        .route("/livez", get(async || json(StatusCode::OK, r#"{"live":true}"#.to_owned())))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown);
    axum::serve(listener.accept()?, routes).await
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body + "\n").into_response()
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let readiness = shown.readiness.borrow().clone();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(&readiness) {
        Ok(body) => json(status, body),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let ready = shown.readiness.borrow().ready;
    match shown.scrape.page(ready).await {
        Ok(page) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
