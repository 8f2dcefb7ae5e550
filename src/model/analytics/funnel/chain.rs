//! The search for the longest chain of one actor.

use super::FunnelOrder;
use crate::model::analytics::Range;

/// An event of an actor, reduced to what a funnel needs: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) time: i64,
    pub(crate) actor: u32,
    /// The matched steps, by bit, and [`EXCLUDED`].
    pub(crate) bits: u16,
    /// Number of the branch plus one; 0 without a branch.
    pub(crate) branch: u16,
}

/// The bit of an excluded event.
pub(crate) const EXCLUDED: u16 = 1 << 15;

/// The rules by which [`Self::walk`] looks for chains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walker {
    pub(crate) steps: usize,
    pub(crate) order: FunnelOrder,
    pub(crate) window: i64,
    pub(crate) entry: Range,
}

/// The result for one actor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The events of the chain; empty if the actor never entered.
    pub(crate) chain: Chain,
    /// Whether an excluded event lies within the chain.
    pub(crate) is_excluded: bool,
    /// Time of the last entry.
    pub(crate) last_entry: Option<i64>,
}

/// Indices of events, ascending: at most [`Funnel::MAX_STEPS`](super::Funnel::MAX_STEPS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    events: [u32; 10],
    length: u8,
}

impl Chain {
    pub(crate) fn as_slice(&self) -> &[u32] {
        &self.events[..usize::from(self.length)]
    }

    fn len(&self) -> usize {
        usize::from(self.length)
    }

    fn start(&self) -> u32 {
        self.events[0]
    }

    fn with(mut self, index: usize) -> Self {
        self.events[self.len()] = index as u32;
        self.length += 1;
        self
    }

    /// Returns which of two chains counts that are complete with the same event.
    fn is_better_than(&self, other: &Self) -> bool {
        let rank = |chain: &Self| (chain.len(), chain.start());
        match rank(self).cmp(&rank(other)) {
            std::cmp::Ordering::Equal => self.as_slice().iter().rev().lt(other.as_slice().iter().rev()),
            order => order.is_gt(),
        }
    }
}

impl Walker {
    /// Finds the chain of one actor in one pass over the ordered events.
    pub(crate) fn walk(&self, marks: &[Mark]) -> Walk {
        let chain = match self.order {
            FunnelOrder::Ordered => self.ordered(marks),
            FunnelOrder::Strict => self.strict(marks),
            FunnelOrder::Any => self.any(marks),
        };
        let entries = marks.iter().rev().find(|mark| self.enters(mark));
        let is_excluded = match chain.as_slice() {
            [first, .., last] => (*first + 1..*last)
                .any(|index| marks[index as usize].bits & EXCLUDED != 0 && !chain.as_slice().contains(&index)),
            _ => false,
        };
        Walk { chain, is_excluded, last_entry: entries.map(|mark| mark.time) }
    }

    /// Keeps, for each length, the chain that began last: if any chain can continue, this one can.
    /// Lengths are tried from the longest to the shortest, so one event matches one step.
    fn ordered(&self, marks: &[Mark]) -> Chain {
        let mut chains = [Chain::default(); 10];
        let mut best = Chain::default();
        for (index, mark) in marks.iter().enumerate() {
            for step in (0..self.steps).rev() {
                if mark.bits & (1 << step) == 0 {
                    continue;
                }
                let before = if step == 0 { Chain::default() } else { chains[step - 1] };
                let Some(longer) = self.extend(before, step, index, marks) else { continue };
                if chains[step].len() == 0 || longer.start() > chains[step].start() {
                    chains[step] = longer;
                }
                if longer.len() > best.len() {
                    best = longer;
                }
            }
        }
        best
    }

    /// Like [`ordered`](Self::ordered), but drops chains that the previous event did not extend.
    fn strict(&self, marks: &[Mark]) -> Chain {
        let mut chains = [Chain::default(); 10];
        let mut best = Chain::default();
        for (index, mark) in marks.iter().enumerate() {
            for step in (0..self.steps).rev() {
                let before = if step == 0 { Chain::default() } else { chains[step - 1] };
                let longer = if mark.bits & (1 << step) == 0 { None } else { self.extend(before, step, index, marks) };
                chains[step] = longer.unwrap_or_default();
                if chains[step].len() > best.len() {
                    best = chains[step];
                }
            }
        }
        best
    }

    /// Keeps, for each set of steps, the chain that began last.
    fn any(&self, marks: &[Mark]) -> Chain {
        let mut chains = [Chain::default(); 1 << super::Funnel::MAX_STEPS_IN_ANY_ORDER];
        let mut best = Chain::default();
        for (index, mark) in marks.iter().enumerate() {
            if mark.bits & !EXCLUDED == 0 {
                continue;
            }
            let mut found = best;
            // A set is visited before its subsets.
            for set in (1..1usize << self.steps).rev() {
                let mut longest: Option<Chain> = None;
                for step in 0..self.steps {
                    if set & usize::from(mark.bits) & (1 << step) == 0 {
                        continue;
                    }
                    let rest = set ^ (1 << step);
                    let longer = self.extend(chains[rest], rest.count_ones() as usize, index, marks);
                    longest =
                        longer.filter(|longer| longest.is_none_or(|other| longer.is_better_than(&other))).or(longest);
                }
                let Some(longer) = longest else { continue };
                if longer.len() > best.len() && (found.len() <= best.len() || longer.is_better_than(&found)) {
                    found = longer;
                }
                if chains[set].len() == 0 || longer.start() > chains[set].start() {
                    chains[set] = longer;
                }
            }
            best = found;
        }
        best
    }

    /// Returns the chain of `length` events extended by one, if that is allowed.
    fn extend(&self, chain: Chain, length: usize, index: usize, marks: &[Mark]) -> Option<Chain> {
        let time = marks[index].time;
        let may = match chain.len() {
            0 => length == 0 && self.is_entry(time),
            _ => time.saturating_sub(marks[chain.start() as usize].time) <= self.window,
        };
        may.then(|| chain.with(index))
    }

    fn is_entry(&self, time: i64) -> bool {
        self.entry.from().as_millis() <= time && time < self.entry.until().as_millis()
    }

    /// Returns whether a chain may begin with this event.
    fn enters(&self, mark: &Mark) -> bool {
        let first = if self.order == FunnelOrder::Any { !EXCLUDED } else { 1 };
        mark.bits & first != 0 && self.is_entry(mark.time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    fn walker(steps: usize, order: FunnelOrder, window: i64) -> Walker {
        let entry = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(50)).unwrap();
        Walker { steps, order, window, entry }
    }

    /// Marks of (time, matched steps as letters, `!` excluded).
    fn marks(events: &[(i64, &str)]) -> Vec<Mark> {
        let bit = |letter: u8| if letter == b'!' { EXCLUDED } else { 1 << (letter - b'a') };
        let bits = |letters: &str| letters.bytes().map(bit).sum();
        events.iter().map(|(time, letters)| Mark { time: *time, actor: 0, bits: bits(letters), branch: 0 }).collect()
    }

    #[test]
    fn walk_matches_one_event_with_one_step() {
        let walker = walker(2, FunnelOrder::Ordered, 100);
        assert_eq!(walker.walk(&marks(&[(1, "ab")])).chain.as_slice(), [0]);
        assert_eq!(walker.walk(&marks(&[(1, "ab"), (1, "ab")])).chain.as_slice(), [0, 1]);
        let any = Walker { order: FunnelOrder::Any, ..walker };
        assert_eq!(any.walk(&marks(&[(1, "ab")])).chain.as_slice(), [0]);
    }

    #[test]
    fn walk_measures_the_window_from_the_first_step_inclusively() {
        let walker = walker(3, FunnelOrder::Ordered, 10);
        assert_eq!(walker.walk(&marks(&[(0, "a"), (9, "b"), (10, "c")])).chain.as_slice(), [0, 1, 2]);
        assert_eq!(walker.walk(&marks(&[(0, "a"), (9, "b"), (11, "c")])).chain.as_slice(), [0, 1]);
        // A chain that begins later is complete in time.
        assert_eq!(walker.walk(&marks(&[(0, "a"), (5, "a"), (9, "b"), (15, "c")])).chain.as_slice(), [1, 2, 3]);
        // An entry after the range does not count; a later step after the range does.
        assert_eq!(walker.walk(&marks(&[(50, "a"), (51, "b")])).chain.as_slice(), [0; 0]);
        assert_eq!(walker.walk(&marks(&[(49, "a"), (51, "b")])).chain.as_slice(), [0, 1]);
    }

    #[test]
    fn walk_checks_events_between_steps_in_strict_order_and_exclusions() {
        let events = marks(&[(0, "a"), (1, ""), (2, "b")]);
        assert_eq!(walker(2, FunnelOrder::Strict, 10).walk(&events).chain.as_slice(), [0]);
        assert_eq!(walker(2, FunnelOrder::Ordered, 10).walk(&events).chain.as_slice(), [0, 2]);
        for (events, is_excluded) in [
            (marks(&[(0, "a"), (1, "!"), (2, "b")]), true),
            (marks(&[(0, "!"), (0, "a"), (2, "b"), (2, "!")]), false),
            (marks(&[(0, "a"), (1, "!b")]), false),
            (marks(&[(0, "a"), (1, "!")]), false),
        ] {
            assert_eq!(walker(2, FunnelOrder::Ordered, 10).walk(&events).is_excluded, is_excluded, "{events:?}");
        }
    }

    /// Judges all possible chains, word by word, as the docs define them.
    fn by_the_docs(walker: &Walker, marks: &[Mark]) -> Vec<u32> {
        let mut best: Vec<u32> = Vec::new();
        for set in 1u32..1 << marks.len() {
            let chain: Vec<u32> = (0..marks.len() as u32).filter(|index| set & (1 << index) != 0).collect();
            if chain.len() > walker.steps {
                continue;
            }
            let of = |index: u32| marks[index as usize];
            let (first, last) = (of(chain[0]).time, of(chain[chain.len() - 1]).time);
            let is_neighbour = chain.windows(2).all(|pair| pair[1] == pair[0] + 1);
            let in_order = || chain.iter().enumerate().all(|(step, index)| of(*index).bits & (1 << step) != 0);
            let matches = match walker.order {
                FunnelOrder::Ordered => in_order(),
                FunnelOrder::Strict => in_order() && is_neighbour,
                FunnelOrder::Any => {
                    can_match(&chain.iter().map(|index| of(*index).bits).collect::<Vec<_>>(), walker.steps)
                }
            };
            if !matches || last - first > walker.window || !(0..50).contains(&first) {
                continue;
            }
            let rank = |chain: &[u32]| {
                let mut later: Vec<u32> = chain.to_vec();
                later.reverse();
                let end = later.first().copied();
                (std::cmp::Reverse(chain.len()), end, chain.first().map(|start| std::cmp::Reverse(*start)), later)
            };
            if best.is_empty() || rank(&chain) < rank(&best) {
                best = chain;
            }
        }
        best
    }

    /// Returns whether each event can match a step of its own.
    fn can_match(bits: &[u16], steps: usize) -> bool {
        let Some((first, rest)) = bits.split_first() else { return true };
        (0..steps).any(|step| {
            let without: Vec<u16> = rest.iter().map(|bits| bits & !(1 << step)).collect();
            first & (1 << step) != 0 && can_match(&without, steps)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn walk_finds_the_documented_chain(
            steps in 1..=4usize,
            order in prop::sample::select(vec![FunnelOrder::Ordered, FunnelOrder::Strict, FunnelOrder::Any]),
            window in 0..30i64,
            mut events in prop::collection::vec((-5..60i64, prop::sample::select(vec![0u16, 1, 1, 2, 4, 8, 3, 5, 6, 12, 15])), 0..9),
        ) {
            events.sort_by_key(|(time, _)| *time);
            let mask = (1 << steps) - 1;
            let marks: Vec<_> =
                events.iter().map(|(time, bits)| Mark { time: *time, actor: 0, bits: bits & mask, branch: 0 }).collect();
            let walker = walker(steps, order, window);
            let found = walker.walk(&marks).chain;
            prop_assert_eq!(found.as_slice(), by_the_docs(&walker, &marks));
        }
    }
}
