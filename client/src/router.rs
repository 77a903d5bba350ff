//! The nodes as this client knows them, and which of them to ask.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use proto::v1::GetClusterResponse;
use tokio::sync::Notify;

use crate::error::Error;
use crate::link::{Link, Settings};
use crate::query::ReadFrom;

/// More addresses than any cluster has members: answers cannot make a client open connections without bound.
const MOST_LINKS: usize = 64;

#[derive(Debug)]
pub(crate) struct Router {
    settings: Settings,
    /// As the caller gave them: always tried, whatever nodes say of members.
    endpoints: Vec<String>,
    view: RwLock<View>,
    turn: AtomicUsize,
    /// What is known seems to be wrong.
    pub doubt: Notify,
    /// A node has answered.
    pub learned: Notify,
}

#[derive(Debug, Default)]
struct View {
    links: Vec<Arc<Link>>,
    leader: Option<Arc<Link>>,
    term: u64,
}

impl Router {
    pub(crate) fn new(endpoints: Vec<String>, settings: Settings) -> Result<Self, Error> {
        if endpoints.is_empty() {
            return Err(Error::Invalid { message: "no endpoint: give host:port of a node at least".into() });
        }
        let links: Result<Vec<_>, _> =
            endpoints.iter().map(|endpoint| Link::new(endpoint, settings).map(Arc::new)).collect();
        let view = RwLock::new(View { links: links?, ..View::default() });
        let (doubt, learned) = (Notify::new(), Notify::new());
        Ok(Self { settings, endpoints, view, turn: AtomicUsize::new(0), doubt, learned })
    }

    /// All nodes.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.read().links.clone()
    }

    /// The node to ask; not the one that just failed, if there is another.
    pub(crate) fn route(&self, to: ReadFrom, avoid: Option<&Arc<Link>>, now: Instant) -> Arc<Link> {
        let view = self.read();
        let good =
            |link: &Arc<Link>| !avoid.is_some_and(|avoid| Arc::ptr_eq(avoid, link)) && link.usable(now);
        let preferred = match to {
            ReadFrom::Leader => view.leader.as_ref().filter(|leader| good(leader)),
            ReadFrom::Nearest => view
                .links
                .iter()
                .filter(|link| link.distance().is_some() && good(link))
                .min_by_key(|link| link.distance()),
        };
        if let Some(link) = preferred {
            return link.clone();
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let links = (0..view.links.len()).map(|at| &view.links[(turn.wrapping_add(at)) % view.links.len()]);
        let mut others = links.clone().filter(|link| good(link));
        others.next().unwrap_or(&view.links[turn % view.links.len()]).clone()
    }

    /// A node says who the members are and who leads.
    pub(crate) fn learn(&self, answer: &GetClusterResponse) {
        let mut view = self.write();
        if answer.term < view.term {
            return;
        }
        view.term = answer.term;
        let known = answer.members.iter().filter(|member| !member.client_address.is_empty());
        let mut wanted: HashSet<&str> = self.endpoints.iter().map(String::as_str).collect();
        wanted.extend(known.clone().map(|member| member.client_address.as_str()).take(MOST_LINKS));
        view.links.retain(|link| wanted.contains(link.address()));
        for address in wanted {
            self.link(&mut view, address);
        }
        let leader = known.clone().find(|member| member.node == answer.leader);
        view.leader = leader.and_then(|leader| self.link(&mut view, &leader.client_address));
        drop(view);
        self.learned.notify_waiters();
    }

    /// A node that was asked says that another one leads.
    pub(crate) fn redirected(&self, address: &str) {
        let mut view = self.write();
        if view.links.len() < MOST_LINKS {
            view.leader = self.link(&mut view, address);
        }
    }

    /// The link to an address, new if there is none.
    fn link(&self, view: &mut View, address: &str) -> Option<Arc<Link>> {
        if let Some(link) = view.links.iter().find(|link| link.address() == address) {
            return Some(link.clone());
        }
        match Link::new(address, self.settings) {
            Ok(link) => {
                let link = Arc::new(link);
                view.links.push(link.clone());
                Some(link)
            }
            Err(error) => {
                tracing::warn!(address, %error, "a node names an address that is none");
                None
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::v1::ClusterMember;

    use super::*;
    use crate::backoff::Backoff;

    fn router(endpoints: &[&str]) -> Router {
        let backoff = Backoff { first: Duration::from_millis(10), most: Duration::from_secs(1) };
        let settings = Settings { under_way: 8, connect_timeout: Duration::from_secs(1), backoff };
        Router::new(endpoints.iter().map(ToString::to_string).collect(), settings).unwrap()
    }

    fn answer(term: u64, leader: u64, members: &[(u64, &str)]) -> GetClusterResponse {
        let member = |&(node, address): &(u64, &str)| ClusterMember {
            node,
            voter: true,
            client_address: address.to_owned(),
        };
        GetClusterResponse {
            term,
            leader,
            members: members.iter().map(member).collect(),
            ..Default::default()
        }
    }

    fn addresses(router: &Router) -> Vec<String> {
        let mut addresses: Vec<_> = router.links().iter().map(|link| link.address().to_owned()).collect();
        addresses.sort();
        addresses
    }

    #[tokio::test]
    async fn the_leader_of_the_latest_term_is_asked() {
        let (router, now) = (router(&["a:1"]), Instant::now());
        router.learn(&answer(3, 2, &[(1, "a:1"), (2, "b:1"), (3, "")]));
        assert_eq!(addresses(&router), ["a:1", "b:1"]);
        let leader = router.route(ReadFrom::Leader, None, now);
        assert_eq!(leader.address(), "b:1");
        // One that lags does not know better.
        router.learn(&answer(2, 1, &[(1, "a:1")]));
        assert_eq!(router.route(ReadFrom::Leader, None, now).address(), "b:1");
        // Others if it just failed; each in turn.
        assert_eq!(router.route(ReadFrom::Leader, Some(&leader), now).address(), "a:1");
        router.redirected("c:1");
        assert_eq!(router.route(ReadFrom::Leader, None, now).address(), "c:1");
        // Endpoints stay, former members go.
        router.learn(&answer(4, 0, &[(2, "b:1")]));
        assert_eq!(addresses(&router), ["a:1", "b:1"]);
        let asked: Vec<_> = (0..2).map(|_| router.route(ReadFrom::Leader, None, now)).collect();
        assert_ne!(asked[0].address(), asked[1].address());
    }

    #[tokio::test]
    async fn the_nearest_is_the_one_that_answered_fastest() {
        let (router, now) = (router(&["a:1", "b:1", "c:1"]), Instant::now());
        let links = router.links();
        links[0].measured(Some(Duration::from_millis(3)));
        links[1].measured(Some(Duration::from_millis(1)));
        let nearest = router.route(ReadFrom::Nearest, None, now);
        assert_eq!(nearest.address(), "b:1");
        assert_eq!(router.route(ReadFrom::Nearest, Some(&nearest), now).address(), "a:1");
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        let backoff = Backoff { first: Duration::ZERO, most: Duration::ZERO };
        let settings = Settings { under_way: 1, connect_timeout: Duration::ZERO, backoff };
        for endpoint in ["", "host", "http://host:1", "host:port", ":1"] {
            let refused = Router::new(vec![endpoint.to_owned()], settings).unwrap_err();
            assert!(matches!(refused, Error::Invalid { .. }), "{endpoint}");
        }
        assert!(Router::new(Vec::new(), settings).is_err());
    }
}
