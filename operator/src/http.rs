//! `/metrics`, `/livez` and `/readyz`.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether the operator works or is ready to take over.
    pub readiness: Arc<Readiness>,
}

/// Serves the pages until the runtime ends.
///
/// # Errors
/// The socket fails.
pub async fn serve(listener: TcpListener, shown: Shown) -> io::Result<()> {
    let routes = Router::new()
        // Live: this runtime makes progress. The election ends the process if the API server is out of reach.
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown);
    axum::serve(listener, routes).await
}

async fn readyz(State(shown): State<Shown>) -> Response {
    match shown.readiness.missing() {
        missing if missing.is_empty() => "ready\n".into_response(),
        missing => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for: {}\n", missing.join(", ")))
            .into_response(),
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    match shown.metrics.page() {
        Ok(page) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
