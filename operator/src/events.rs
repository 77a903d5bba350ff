//! Events on a KvCluster: what was done, and what is wrong.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::kubernetes::Kube;

/// What the events name as their source.
const CONTROLLER: &str = "kvcluster-operator";
/// Kubernetes takes a note of 1 kB.
const MOST_NOTE: usize = 1000;
/// And of an action 128 bytes, at least one.
const MOST_ACTION: usize = 128;

/// Publishes events. Nothing depends on whether they arrive.
#[derive(Clone)]
pub struct Events {
    kube: Kube,
    recorder: Recorder,
}

impl Events {
    /// In the name of the operator called `identity`.
    #[must_use]
    pub fn new(kube: Kube, identity: String) -> Self {
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(identity) };
        Self { recorder: Recorder::new(kube.client(), reporter), kube }
    }

    /// Something was done, or got better.
    pub async fn normal(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, EventType::Normal, reason, note).await;
    }

    /// Something is wrong.
    pub async fn warning(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, EventType::Warning, reason, note).await;
    }

    async fn publish(&self, about: &ObjectReference, type_: EventType, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shortened(note, MOST_NOTE).to_owned()),
            // Events that differ in nothing but the note would be taken for one.
            action: shortened(note, MOST_ACTION).to_owned(),
            secondary: None,
        };
        let published = self.recorder.publish(&event, about);
        if let Err(error) = self.kube.change("publish event", published).await {
            tracing::warn!(reason, %error, "an event is not published");
        }
    }
}

fn shortened(note: &str, most: usize) -> &str {
    let end = (0..=most.min(note.len())).rev().find(|end| note.is_char_boundary(*end));
    &note[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(shortened("a", 3), "a");
        assert_eq!(shortened("xäää", 4), "xä");
    }
}
