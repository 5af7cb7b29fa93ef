//! When to try again: the arithmetic of the DSL's retry policies. Pure: jitter comes from a seed, so that a decision made
//! twice gives the same time.

use crate::plan::Backoff;

/// Milliseconds to wait before retry number `retry` (from 1).
///
/// `delay_ms` grows by the backoff and stays at the largest number instead of wrapping round; a value from the jitter's range
/// is added, chosen by `seed`.
#[must_use]
pub fn delay_ms(backoff: Backoff, delay_ms: u64, jitter_ms: Option<(u64, u64)>, retry: u32, seed: u64) -> u64 {
    let grown = match backoff {
        Backoff::Constant => delay_ms,
        Backoff::Linear => delay_ms.saturating_mul(u64::from(retry)),
        Backoff::Exponential => {
            let factor = 1_u64.checked_shl(retry.saturating_sub(1)).unwrap_or(u64::MAX);
            delay_ms.saturating_mul(factor)
        }
    };
    let jitter = jitter_ms.map_or(0, |(from, to)| {
        let span = to.saturating_sub(from).saturating_add(1);
        from.saturating_add(scramble(seed.wrapping_add(u64::from(retry))) % span.max(1))
    });
    grown.saturating_add(jitter)
}

/// SplitMix64's finaliser: spreads neighbouring seeds over all numbers.
fn scramble(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::delay_ms;
    use crate::plan::Backoff::{Constant, Exponential, Linear};

    #[test]
    fn delays_grow_as_the_policy_says() {
        let delays = |backoff| (1..=4).map(|retry| delay_ms(backoff, 100, None, retry, 0)).collect::<Vec<_>>();
        assert_eq!(delays(Constant), [100, 100, 100, 100]);
        assert_eq!(delays(Linear), [100, 200, 300, 400]);
        assert_eq!(delays(Exponential), [100, 200, 400, 800]);
    }

    #[test]
    fn a_delay_never_wraps_round() {
        assert_eq!(delay_ms(Exponential, 3, None, 200, 0), u64::MAX);
        assert_eq!(delay_ms(Linear, u64::MAX, Some((5, 9)), 7, 1), u64::MAX);
    }

    #[test]
    fn jitter_stays_in_its_range_reaches_both_ends_and_depends_on_the_seed_alone() {
        let drawn: Vec<u64> = (0..200).map(|seed| delay_ms(Constant, 0, Some((10, 14)), 1, seed)).collect();
        assert!(drawn.iter().all(|delay| (10..=14).contains(delay)));
        assert!((10..=14).all(|delay| drawn.contains(&delay)));
        assert_eq!(drawn, (0..200).map(|seed| delay_ms(Constant, 0, Some((10, 14)), 1, seed)).collect::<Vec<_>>());
    }
}
