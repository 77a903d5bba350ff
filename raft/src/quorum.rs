//! Majorities.

/// The largest value that a majority reaches: of five values, the third largest. The least value where
/// nobody votes. There are few voters, so counting is faster than sorting.
pub(crate) fn reached_by_majority<T: Ord + Default>(values: impl Iterator<Item = T> + Clone) -> T {
    let voters = values.clone().count();
    let reaching = |value: &T| values.clone().filter(|other| other >= value).count();
    values.clone().filter(|value| is_majority(reaching(value), voters)).max().unwrap_or_default()
}

/// Whether `count` of `voters` is a majority.
pub(crate) fn is_majority(count: usize, voters: usize) -> bool {
    count * 2 > voters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_counting(values in prop::collection::vec(0u64..20, 1..9)) {
            let naive = (0..=20)
                .filter(|v| is_majority(values.iter().filter(|x| *x >= v).count(), values.len()))
                .max()
                .unwrap_or(0);
            prop_assert_eq!(reached_by_majority(values.iter().copied()), naive);
        }
    }

    #[test]
    fn nobody_reaches_nothing() {
        assert_eq!(reached_by_majority(std::iter::empty::<u64>()), 0);
    }
}
