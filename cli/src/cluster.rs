//! Members, and how they are, as everyone may see it.

use std::process::ExitCode;
use std::time::Duration;

use client::{ClusterMember, GetClusterResponse, status_message};
use proto::v1::GetClusterRequest;
use proto::v1::cluster_client::ClusterClient;
use tonic::transport::Endpoint;

use crate::args::Connection;
use crate::data::connect;
use crate::failure::Failure;
use crate::output::{Format, Object, print, table};

/// What each of several members may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn members(connection: &Connection, format: Format) -> Result<ExitCode, Failure> {
    let cluster = connect(connection).await?.cluster().await?;
    let mut rows = vec![["NODE", "ROLE", "LEADS", "ADDRESS"].map(str::to_owned).to_vec()];
    for member in &cluster.members {
        let leads = member.node == cluster.leader;
        if format.json {
            print(format, object(member).with("leads", leads), String::new)?;
        }
        let address = if member.client_address.is_empty() { "not known" } else { &member.client_address };
        let leads = if leads { "yes" } else { "" };
        rows.push(vec![member.node.to_string(), role(member).into(), leads.into(), address.into()]);
    }
    if !format.json {
        print(format, Object::default(), || table(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn status(connection: &Connection, format: Format) -> Result<ExitCode, Failure> {
    let cluster = connect(connection).await?.cluster().await?;
    let mut rows = vec![["NODE", "ROLE", "STATE", "TERM", "BEHIND", "ADDRESS"].map(str::to_owned).to_vec()];
    let mut answers = Vec::new();
    for member in &cluster.members {
        answers.push((member, ask(&member.client_address).await));
    }
    let newest = answers.iter().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.applied_timestamp)).max();
    let leader =
        answers.iter().any(|(member, answer)| answer.as_ref().is_ok_and(|a| a.leader == member.node));
    let mut well = leader;
    if !format.json {
        let id = if cluster.cluster_id.is_empty() {
            "none yet: see `kvctl admin bootstrap`"
        } else {
            &cluster.cluster_id
        };
        print(format, Object::default(), || format!("cluster  {id}"))?;
    }
    for (member, answer) in &answers {
        let (state, term, behind) = match answer {
            Ok(answer) => (
                if answer.leader == member.node {
                    "leads"
                } else if answer.leader == 0 {
                    "sees no leader"
                } else {
                    "follows"
                },
                answer.term.to_string(),
                behind(newest, answer.applied_timestamp),
            ),
            Err(_) => ("does not answer", String::new(), String::new()),
        };
        well &= answer.as_ref().is_ok_and(|answer| answer.leader != 0);
        if format.json {
            let object = object(member).with("answers", answer.is_ok());
            let object = match answer {
                Ok(answer) => object
                    .with("leader", answer.leader)
                    .with("term", answer.term)
                    .with("applied_timestamp", answer.applied_timestamp),
                Err(error) => object.with("error", error.as_str()),
            };
            print(format, object, String::new)?;
        }
        rows.push(vec![
            member.node.to_string(),
            role(member).into(),
            state.into(),
            term,
            behind,
            member.client_address.clone(),
        ]);
    }
    if !format.json {
        print(format, Object::default(), || table(&rows))?;
    }
    if well {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Unavailable("not all members are well, or none leads".to_owned()))
}

/// Timestamps hold milliseconds in their upper 46 bits.
fn behind(newest: Option<u64>, applied: u64) -> String {
    let millis = newest.map_or(0, |newest| (newest >> 18).saturating_sub(applied >> 18));
    format!("{millis} ms")
}

async fn ask(address: &str) -> Result<GetClusterResponse, String> {
    if address.is_empty() {
        return Err("its address is not known".to_owned());
    }
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    let mut cluster = ClusterClient::new(endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).connect_lazy());
    let answer = cluster.get_cluster(GetClusterRequest {}).await;
    answer.map(tonic::Response::into_inner).map_err(|status| status_message(&status))
}

fn role(member: &ClusterMember) -> &'static str {
    if member.voter { "voter" } else { "learner" }
}

fn object(member: &ClusterMember) -> Object {
    Object::default()
        .with("node", member.node)
        .with("role", role(member))
        .with("address", member.client_address.as_str())
}
