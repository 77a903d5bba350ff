//! Administration of real nodes.

use prost::Message;
use proto::admin::v1::admin_error_detail::Kind;
use proto::admin::v1::{
    AdminErrorDetail, BootstrapRequest, LogPosition, MemberRequest, ReserveMemberRequest,
    TransferLeadershipRequest,
};
use testing::{Cluster, Options};

fn kind(status: &tonic::Status) -> Kind {
    let rich = tonic_types::Status::decode(status.details()).unwrap();
    AdminErrorDetail::decode(rich.details[0].value.as_slice()).unwrap().kind.unwrap()
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_reason() {
    let cluster = Cluster::start(1, Options::default()).await;
    let leader = cluster.leader().await;
    let planned_on = leader.configuration_at;
    let mut admin = cluster.node(1).admin();

    let request = BootstrapRequest { cluster_id: "1".into(), voters: Vec::new() };
    assert!(matches!(kind(&admin.bootstrap(request).await.unwrap_err()), Kind::Invalid(_)));
    let request = BootstrapRequest { cluster_id: "1".repeat(32), voters: Vec::new() };
    assert!(matches!(kind(&admin.bootstrap(request).await.unwrap_err()), Kind::Invalid(_)));

    let elsewhere = Some(LogPosition { index: 77, term: 1 });
    let request = ReserveMemberRequest { planned_on: elsewhere, abandon: 0 };
    let Kind::Fenced(fenced) = kind(&admin.reserve_member(request).await.unwrap_err()) else {
        panic!("not fenced");
    };
    assert_eq!((fenced.planned_on, fenced.committed), (elsewhere, planned_on));

    let request = MemberRequest { planned_on, node: 1 };
    let refused = admin.remove(request).await.unwrap_err();
    assert!(refused.message().contains("last voter"), "{refused}");
    let refused = admin.transfer_leadership(TransferLeadershipRequest { to: 0 }).await.unwrap_err();
    assert!(matches!(kind(&refused), Kind::NotNow(_)), "{refused}");
}

#[tokio::test]
async fn a_reservation_is_repeated_until_it_is_abandoned() {
    let cluster = Cluster::start(1, Options::default()).await;
    let planned_on = cluster.leader().await.configuration_at;
    let mut admin = cluster.node(1).admin();
    let first =
        admin.reserve_member(ReserveMemberRequest { planned_on, abandon: 0 }).await.unwrap().into_inner();
    assert_eq!(first.node, 2);
    // Planned on the configuration before: its result holds already.
    let again =
        admin.reserve_member(ReserveMemberRequest { planned_on, abandon: 0 }).await.unwrap().into_inner();
    assert_eq!(again, first);
    let planned_on = first.configuration_at;
    let next =
        admin.reserve_member(ReserveMemberRequest { planned_on, abandon: 2 }).await.unwrap().into_inner();
    assert_eq!(next.node, 3);
    assert_eq!(cluster.leader().await.reserved, 3);
}
