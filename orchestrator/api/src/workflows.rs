//! What is deployed.

use axum::{Json, extract::State};
use sagabus_ports::Deployment;
use serde_json::{Value, json};

use crate::{Api, problem::Problem};

/// `GET /api/v1/workflows`: one object for each name and version that can be started.
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    let mut deployed = api.store.deployments().await?;
    deployed.sort_by(|left, right| left.name.cmp(&right.name));
    let workflows: Vec<Value> = deployed.iter().map(told).collect();
    Ok(Json(json!({ "workflows": workflows })))
}

fn told(deployment: &Deployment) -> Value {
    json!({
        "namespace": deployment.name.namespace,
        "name": deployment.name.name,
        "version": deployment.name.version,
        "digest": deployment.digest,
        "deployedAt": deployment.deployed_at,
    })
}
