//! The simulated network: every ordered pair of hosts has two streams, each in order unless it reorders.

use crate::rng::Rng;

/// Streams between two hosts that stall apart.
pub const LANES: usize = 2;

/// One direction between two hosts.
#[derive(Clone, Debug, Default)]
struct Link {
    /// How many partitions cut it now.
    cuts: u32,
    /// No arrival on this stream before.
    stalled_until: [u64; LANES],
    last_arrival: [u64; LANES],
}

/// How bad the network is, in parts per thousand and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest delay.
    pub delay: u64,
    /// At most this much more.
    pub jitter: u64,
    /// Packets lost.
    pub loss: u64,
    /// Packets that arrive twice.
    pub duplicate: u64,
    /// Packets that overtake, or are overtaken.
    pub reorder: u64,
    /// Packets delayed for very long.
    pub straggle: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fate {
    /// When it arrives.
    pub first: Option<u64>,
    /// When it arrives again.
    pub second: Option<u64>,
    /// It was lost by chance.
    pub lost: bool,
    /// It met a partition.
    pub cut: bool,
    /// It did not keep its place in the stream.
    pub reordered: bool,
}

/// All links.
#[derive(Debug)]
pub struct Network {
    hosts: usize,
    links: Vec<Link>,
    /// The present weather.
    pub weather: Weather,
}

impl Network {
    /// A network without partitions.
    #[must_use]
    pub fn new(hosts: usize, weather: Weather) -> Self {
        Self { hosts, links: vec![Link::default(); hosts * hosts], weather }
    }

    /// Sends a packet at `now`; `election` is the scale of what counts as very long.
    pub fn send(
        &mut self,
        now: u64,
        pair: (usize, usize),
        lane: usize,
        election: u64,
        rng: &mut Rng,
    ) -> Fate {
        let weather = self.weather;
        let link = &mut self.links[pair.0 * self.hosts + pair.1];
        let mut fate = Fate::default();
        if link.cuts > 0 {
            fate.cut = true;
            // Some of it sits in a buffer and arrives after the partition, on the old connection.
            if rng.per_mille(100) {
                fate.first = Some(now + rng.range(election / 4, election * 4));
            }
            return fate;
        }
        if rng.per_mille(weather.loss) {
            fate.lost = true;
            return fate;
        }
        let mut at = now + weather.delay + rng.below(weather.jitter + 1);
        at = at.max(link.stalled_until[lane]);
        if rng.per_mille(weather.straggle) {
            at += rng.range(election / 8, election * 3);
            fate.reordered = true;
        } else if rng.per_mille(weather.reorder) {
            at += rng.below(weather.delay + weather.jitter + 1);
            fate.reordered = true;
        } else {
            at = at.max(link.last_arrival[lane]);
            link.last_arrival[lane] = at;
        }
        fate.first = Some(at);
        if rng.per_mille(weather.duplicate) {
            fate.second = Some(at + rng.below(election / 2));
        }
        fate
    }

    /// Whether something sent now would meet a partition.
    #[must_use]
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.links[from * self.hosts + to].cuts > 0
    }

    /// One more partition cuts this direction.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.links[from * self.hosts + to].cuts += 1;
    }

    /// One partition less; true if the direction is open now.
    pub fn mend(&mut self, from: usize, to: usize) -> bool {
        let link = &mut self.links[from * self.hosts + to];
        link.cuts = link.cuts.saturating_sub(1);
        link.cuts == 0
    }

    /// Nothing arrives on this stream before `until`.
    pub fn stall(&mut self, from: usize, to: usize, lane: usize, until: u64) {
        let link = &mut self.links[from * self.hosts + to];
        link.stalled_until[lane] = link.stalled_until[lane].max(until);
    }

    /// Every partition and stall ends.
    pub fn heal(&mut self) {
        for link in &mut self.links {
            link.cuts = 0;
            link.stalled_until = [0; LANES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Weather = Weather { delay: 10, jitter: 5, loss: 0, duplicate: 0, reorder: 0, straggle: 0 };

    #[test]
    fn a_calm_stream_keeps_its_order_and_streams_stall_apart() {
        let mut net = Network::new(2, CALM);
        let mut rng = Rng::new(1, 1);
        net.stall(0, 1, 0, 1_000);
        let mut last = [0; LANES];
        for now in 0..50 {
            for (lane, last) in last.iter_mut().enumerate() {
                let at = net.send(now, (0, 1), lane, 100, &mut rng).first.expect("nothing is lost");
                assert!(at >= *last && at >= now + 10);
                *last = at;
            }
        }
        assert_eq!(last[0], 1_000);
        assert!(last[1] < 100);
    }

    #[test]
    fn a_cut_is_one_way_and_counts() {
        let mut net = Network::new(3, CALM);
        net.cut(0, 1);
        net.cut(0, 1);
        assert!(net.is_cut(0, 1) && !net.is_cut(1, 0));
        assert!(!net.mend(0, 1));
        assert!(net.mend(0, 1) && !net.is_cut(0, 1));
    }

    #[test]
    fn loss_duplicates_and_reordering_happen() {
        let weather = Weather { loss: 200, duplicate: 200, reorder: 200, straggle: 10, ..CALM };
        let mut net = Network::new(2, weather);
        let mut rng = Rng::new(3, 1);
        let fates: Vec<Fate> = (0..1_000).map(|now| net.send(now, (0, 1), 0, 100, &mut rng)).collect();
        assert!(fates.iter().any(|f| f.lost) && fates.iter().any(|f| f.second.is_some()));
        assert!(fates.iter().any(|f| f.reordered));
    }
}
