//! The fuzz target `step`: messages and local calls, as the bytes say.

use raft::Settings;

use crate::generate::Draw;
use crate::world::{Diligence, SITUATIONS, World, tiny_settings};

/// Attacks in one input at most: longer inputs find nothing that shorter ones do not, only later.
const MAX_ATTACKS: u64 = 300;

/// Attacks a replica as the bytes say.
pub fn step(bytes: &[u8]) {
    let mut draw = Draw::from_bytes(bytes);
    let situation = usize::try_from(draw.below(SITUATIONS.len() as u64)).unwrap_or_default();
    let settings = if draw.one_in(2) { Settings::default() } else { tiny_settings() };
    let diligence = match draw.below(4) {
        0 | 1 => Diligence::Prompt,
        2 => Diligence::Lazy,
        _ => Diligence::Hung,
    };
    let absurd = draw.one_in(2);
    let mut world = World::new(SITUATIONS[situation], &settings, diligence, absurd);
    while !draw.is_over() && world.attacks < MAX_ATTACKS {
        world.attack(&mut draw);
    }
}
