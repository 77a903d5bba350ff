//! Administration of members.

mod call;
mod status;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use proto::admin::v1::{
    AddLearnerRequest, BootstrapRequest, ChangeResponse, FirstVoter, MemberRequest, NodeStatusResponse,
    ReserveMemberRequest, TransferLeadershipRequest,
};

use crate::bytes::to_hex;
use crate::failure::Failure;
use crate::output::{Format, Object, print};
use call::{Node, leader, refusal};

const EXAMPLES: &str = "\
A node that starts with an empty disk waits. A cluster begins with

  kvctl admin bootstrap --admin-endpoint 10.0.0.1:7401,10.0.0.2:7401,10.0.0.3:7401

and grows by one member, whose empty node runs at 10.0.0.4, with

  kvctl admin add 10.0.0.4:7401 --admin-endpoint 10.0.0.1:7401     it receives the data, as a learner
  kvctl admin status --admin-endpoint 10.0.0.1:7401                wait until it is caught up
  kvctl admin promote 4 --admin-endpoint 10.0.0.1:7401             now it counts in majorities

Changes are made by the leader, which is found from any member.";

#[derive(ClapArgs, Debug)]
#[command(after_help = EXAMPLES)]
pub struct AdminArgs {
    /// Nodes, each host:port (port 7401 of a node), separated by commas
    #[arg(
        long = "admin-endpoint",
        global = true,
        env = "KVCTL_ADMIN_ENDPOINT",
        value_delimiter = ',',
        default_value = "127.0.0.1:7401"
    )]
    endpoints: Vec<String>,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand, Debug)]
enum AdminCommand {
    /// Begin a cluster on the empty nodes at --admin-endpoint; harmless to repeat
    Bootstrap,
    /// Mint the id of a future member, or show the one that is reserved
    Reserve {
        /// Give up this reserved id; it never comes back
        #[arg(long)]
        abandon: Option<u64>,
    },
    /// Add an empty node as a learner, which receives all data and does not count in majorities
    Add {
        /// Its administration endpoint, where its peers reach it as well
        new_node: String,
        /// The id from `reserve`; left out: one is reserved
        #[arg(long)]
        node: Option<u64>,
    },
    /// Make a learner that has caught up a voter
    Promote {
        /// Its node id
        node: u64,
    },
    /// Make a voter a learner
    Demote {
        /// Its node id
        node: u64,
    },
    /// Remove a member for ever: its id and its disk never come back
    Remove {
        /// Its node id
        node: u64,
    },
    /// Hand leadership to another voter
    Transfer {
        /// Its node id; left out: the voter that lags least
        node: Option<u64>,
    },
    /// Show all that a node knows of itself and of the members
    Status,
}

pub async fn run(args: AdminArgs, timeout: Duration, format: Format) -> Result<ExitCode, Failure> {
    let AdminArgs { endpoints, command } = args;
    match command {
        AdminCommand::Bootstrap => bootstrap(&endpoints, timeout, format).await?,
        AdminCommand::Reserve { abandon } => {
            let (mut node, status) = leader(&endpoints, timeout).await?;
            let reserved = reserve(&mut node, &status, abandon.unwrap_or(0)).await?;
            print(format, Object::default().with("node", reserved), || {
                format!("node {reserved} is reserved")
            })?;
        }
        AdminCommand::Add { new_node, node } => add(&endpoints, timeout, format, &new_node, node).await?,
        AdminCommand::Promote { node } => {
            let (mut leader, request) = member(&endpoints, timeout, node).await?;
            let answer = leader.client.promote(request).await.map_err(refusal)?.into_inner();
            changed(format, &answer, node, "is a voter")?;
        }
        AdminCommand::Demote { node } => {
            let (mut leader, request) = member(&endpoints, timeout, node).await?;
            let answer = leader.client.demote(request).await.map_err(refusal)?.into_inner();
            changed(format, &answer, node, "is a learner")?;
        }
        AdminCommand::Remove { node } => {
            let (mut leader, request) = member(&endpoints, timeout, node).await?;
            let answer = leader.client.remove(request).await.map_err(refusal)?.into_inner();
            changed(format, &answer, node, "is removed")?;
        }
        AdminCommand::Transfer { node } => {
            let (mut leader, _) = leader(&endpoints, timeout).await?;
            let request = TransferLeadershipRequest { to: node.unwrap_or(0) };
            let to = leader.client.transfer_leadership(request).await.map_err(refusal)?.into_inner().to;
            print(format, Object::default().with("to", to), || format!("leadership goes to node {to}"))?;
        }
        AdminCommand::Status => {
            for endpoint in &endpoints {
                let status = Node::connect(endpoint, timeout)?.status().await?;
                status::show(format, endpoint, &status)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The same request to every node: the voters are the endpoints in order, from node 1 on.
async fn bootstrap(endpoints: &[String], timeout: Duration, format: Format) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    let mut voters = Vec::new();
    let mut cluster_id = String::new();
    for (endpoint, id) in endpoints.iter().zip(1..) {
        let mut node = Node::connect(endpoint, timeout)?;
        let status = node.status().await?;
        if status.node != 0 && status.node != id {
            let was = status.node;
            let what =
                format!("{endpoint} is node {was} already: give the endpoints in the order of the node ids");
            return Err(Failure::Usage(what));
        }
        if !status.cluster_id.is_empty() {
            cluster_id.clone_from(&status.cluster_id);
        }
        let peer_address = if endpoints.len() > 1 { endpoint.clone() } else { String::new() };
        voters.push(FirstVoter { node: id, disk_id: status.disk_id, peer_address });
        nodes.push(node);
    }
    if cluster_id.is_empty() {
        cluster_id = random_id()?;
    }
    for node in &mut nodes {
        let request = BootstrapRequest { cluster_id: cluster_id.clone(), voters: voters.clone() };
        node.client.bootstrap(request).await.map_err(refusal)?;
    }
    let object = Object::default().with("cluster_id", cluster_id.as_str()).with("voters", voters.len());
    print(format, object, || format!("cluster {cluster_id} begins with {} voters", voters.len()))?;
    Ok(())
}

fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| std::io::Read::read_exact(&mut random, &mut bytes))
        .map_err(|error| Failure::local("making a random cluster id", error))?;
    Ok(to_hex(&bytes))
}

async fn reserve(node: &mut Node, status: &NodeStatusResponse, abandon: u64) -> Result<u64, Failure> {
    let request = ReserveMemberRequest { planned_on: status.configuration_at, abandon };
    Ok(node.client.reserve_member(request).await.map_err(refusal)?.into_inner().node)
}

async fn add(
    endpoints: &[String],
    timeout: Duration,
    format: Format,
    new_node: &str,
    node: Option<u64>,
) -> Result<(), Failure> {
    let new = Node::connect(new_node, timeout)?.status().await?;
    let (mut leader, status) = leader(endpoints, timeout).await?;
    let known = status.members.iter().find(|member| member.disk_id == new.disk_id).map(|member| member.node);
    let node = match node.or(known) {
        Some(node) => node,
        None => reserve(&mut leader, &status, 0).await?,
    };
    // A reservation is a change of its own.
    let planned_on = leader.status().await?.configuration_at;
    let request = AddLearnerRequest {
        planned_on,
        node,
        disk_id: new.disk_id,
        boot_counter: new.boot_counter,
        peer_address: new_node.to_owned(),
    };
    let answer = leader.client.add_learner(request).await.map_err(refusal)?.into_inner();
    changed(format, &answer, node, "is a learner; promote it when it has caught up")
}

/// The leader, and a request about a member that is planned on what it says now.
async fn member(
    endpoints: &[String],
    timeout: Duration,
    node: u64,
) -> Result<(Node, MemberRequest), Failure> {
    let (leader, status) = leader(endpoints, timeout).await?;
    Ok((leader, MemberRequest { planned_on: status.configuration_at, node }))
}

fn changed(format: Format, answer: &ChangeResponse, node: u64, what: &str) -> Result<(), Failure> {
    if !answer.error.is_empty() {
        return Err(Failure::Refused(answer.error.clone()));
    }
    print(format, Object::default().with("node", node).with("committed", answer.committed), || {
        format!("node {node} {what}")
    })?;
    Ok(())
}
