//! Puts values into a buffer.

use std::time::Duration;

use crate::configuration::{Configuration, MemberRole};
use crate::entry::SnapshotMeta;
use crate::identity::{Boot, DiskId};
use crate::types::LogPosition;

/// Appends to a buffer.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// The boot of the reply before.
    pub(super) last_boot: Boot,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, last_boot: Boot::default() }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    #[inline]
    pub(super) fn position(&mut self, position: LogPosition) {
        self.number(position.index.0);
        self.number(position.term.0);
    }

    /// Usual durations are whole seconds: two bytes.
    #[inline]
    pub(super) fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(u64::from(duration.subsec_nanos()));
    }

    pub(super) fn disk(&mut self, disk: DiskId) {
        self.bytes(&disk.0.to_le_bytes());
    }

    pub(super) fn boot(&mut self, boot: Boot) {
        self.number(boot.counter);
        self.bytes(&boot.nonce.to_le_bytes());
    }

    pub(super) fn configuration(&mut self, configuration: &Configuration) {
        self.count(configuration.members.len());
        for (node, member) in &configuration.members {
            self.number(node.0);
            self.number(member.replica.0);
            self.disk(member.disk);
            self.number(member.boot);
            self.byte(match member.role {
                MemberRole::Voter => 0,
                MemberRole::Learner => 1,
            });
        }
        self.number(configuration.next_node.0);
        self.number(configuration.next_replica.0);
        self.byte(u8::from(configuration.reserved.is_some()));
        if let Some(node) = configuration.reserved {
            self.number(node.0);
        }
    }

    pub(super) fn snapshot_meta(&mut self, meta: &SnapshotMeta) {
        self.position(meta.last);
        self.position(meta.configuration_at);
        self.configuration(&meta.configuration);
    }
}
