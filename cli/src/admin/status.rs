//! What a node says of itself, printed.

use proto::admin::v1::{Member, MemberRole, NodeState, NodeStatusResponse};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Format, Object, print, table};

pub fn show(format: Format, endpoint: &str, status: &NodeStatusResponse) -> Result<(), Failure> {
    print(format, object(endpoint, status), || text(endpoint, status))?;
    Ok(())
}

fn state(status: &NodeStatusResponse) -> &'static str {
    match status.state() {
        NodeState::Unspecified => "unknown",
        NodeState::Waiting => "waiting",
        NodeState::Follower => "follower",
        NodeState::Candidate => "candidate",
        NodeState::Leader => "leader",
        NodeState::Learner => "learner",
        NodeState::LostDisk => "lost disk",
        NodeState::Corruption => "corruption",
    }
}

fn role(member: &Member) -> &'static str {
    match member.role() {
        MemberRole::Unspecified => "unknown",
        MemberRole::Voter => "voter",
        MemberRole::Learner => "learner",
    }
}

fn object(endpoint: &str, status: &NodeStatusResponse) -> Object {
    let members: Vec<Value> = status.members.iter().map(|member| self::member(member).into()).collect();
    let at = status.configuration_at.unwrap_or_default();
    let at: Value = Object::default().with("index", at.index).with("term", at.term).into();
    Object::default()
        .with("endpoint", endpoint)
        .with("cluster_id", status.cluster_id.as_str())
        .with("node", status.node)
        .with("disk_id", status.disk_id.as_str())
        .with("boot_counter", status.boot_counter)
        .with("state", state(status))
        .with("ready", status.ready)
        .with("not_ready_reason", status.not_ready_reason.as_str())
        .with("version", status.version.as_str())
        .with("term", status.term)
        .with("leader", status.leader)
        .with("commit_index", status.commit_index)
        .with("applied_index", status.applied_index)
        .with("last_index", status.last_index)
        .with("receiving_snapshot", status.receiving_snapshot)
        .with("free_bytes", status.free_bytes)
        .with("configuration_at", at)
        .with("configuration_committed", status.configuration_committed)
        .with("reserved", status.reserved)
        .with("skewed_clocks", status.skewed_clocks.clone())
        .with("short_of_space", status.short_of_space.clone())
        .with("catch_up_stalled", status.catch_up_stalled.clone())
        .with("members", members)
}

fn member(member: &Member) -> Object {
    let object = Object::default()
        .with("node", member.node)
        .with("role", role(member))
        .with("disk_id", member.disk_id.as_str())
        .with("peer_address", member.peer_address.as_str())
        .with("client_address", member.client_address.as_str());
    match &member.progress {
        None => object,
        Some(progress) => object
            .with("matched", progress.matched)
            .with("silent_millis", progress.silent_millis)
            .with("caught_up", progress.caught_up)
            .with("receives_snapshot", progress.receives_snapshot),
    }
}

fn text(endpoint: &str, status: &NodeStatusResponse) -> String {
    let none = |id: u64| if id == 0 { "none".to_owned() } else { id.to_string() };
    let ready = if status.ready { "yes".to_owned() } else { format!("no: {}", status.not_ready_reason) };
    let mut lines = vec![
        ["node".to_owned(), format!("{} at {endpoint}, version {}", none(status.node), status.version)],
        ["state".to_owned(), state(status).to_owned()],
        ["ready".to_owned(), ready],
        [
            "cluster".to_owned(),
            if status.cluster_id.is_empty() { "none yet".into() } else { status.cluster_id.clone() },
        ],
        ["disk".to_owned(), format!("{}, start {}", status.disk_id, status.boot_counter)],
        ["leader".to_owned(), format!("{}, term {}", none(status.leader), status.term)],
        [
            "log".to_owned(),
            format!(
                "last {}, committed {}, applied {}",
                status.last_index, status.commit_index, status.applied_index
            ),
        ],
        ["free".to_owned(), format!("{} MiB", status.free_bytes >> 20)],
    ];
    let mut note = |name: &str, text: String| lines.push([name.to_owned(), text]);
    if status.reserved != 0 {
        note("reserved", format!("node {}", status.reserved));
    }
    if status.receiving_snapshot {
        note("snapshot", "receives one".to_owned());
    }
    for (name, nodes, what) in [
        ("clocks", &status.skewed_clocks, "more than a second off"),
        ("space", &status.short_of_space, "short: writes are refused"),
        ("catch-up", &status.catch_up_stalled, "stalled: the log overtakes their snapshots"),
    ] {
        if !nodes.is_empty() {
            note(name, format!("nodes {nodes:?} are {what}"));
        }
    }
    let head = table(&lines.iter().map(|line| line.to_vec()).collect::<Vec<_>>());
    let mut rows = vec![
        ["MEMBER", "ROLE", "HAS", "SILENT", "CAUGHT UP", "PEERS", "CLIENTS"].map(str::to_owned).to_vec(),
    ];
    rows.extend(status.members.iter().map(member_row));
    if status.members.is_empty() { head } else { format!("{head}\n\n{}", table(&rows)) }
}

fn member_row(member: &Member) -> Vec<String> {
    let progress = member.progress.as_ref();
    let of =
        |text: &dyn Fn(&proto::admin::v1::MemberProgress) -> String| progress.map_or("-".to_owned(), text);
    vec![
        member.node.to_string(),
        role(member).to_owned(),
        of(&|progress| progress.matched.to_string()),
        of(&|progress| format!("{} ms", progress.silent_millis)),
        of(&|progress| {
            let text = if progress.receives_snapshot {
                "gets snapshot"
            } else if progress.caught_up {
                "yes"
            } else {
                "no"
            };
            text.to_owned()
        }),
        member.peer_address.clone(),
        member.client_address.clone(),
    ]
}
