//! What is made of several rounds.

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

/// Between which two of the values the true median lies, in 95 of 100 runs: by how often the signs of so many coin tosses are
/// that uneven (Conover, Practical Nonparametric Statistics, 3.2). The whole range where they are fewer than six.
pub(crate) fn interval(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let mut tail = 0.0;
    let mut below = 0;
    let mut probability = 0.5_f64.powi(count as i32);
    while tail + probability <= 0.025 {
        tail += probability;
        probability *= (count - below) as f64 / (below + 1) as f64;
        below += 1;
    }
    let outside = below.saturating_sub(1);
    (values[outside], values[count - 1 - outside])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_leaves_out_what_the_table_of_the_sign_test_leaves_out() {
        // Two-sided at 5 %: of 5 values none, of 6 none but the whole range holds, of 20 five on each side, of 50 seventeen.
        for (count, outside) in [(1, 0), (5, 0), (6, 0), (20, 5), (50, 17)] {
            let values = (0..count).map(f64::from);
            assert_eq!(interval(values), (f64::from(outside), f64::from(count - 1 - outside)), "{count}");
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
    }
}
