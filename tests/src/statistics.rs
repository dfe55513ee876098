//! Two-sample tests: whether two sets of measurements can be told apart.
//!
//! Small on purpose, and held against published values in the tests below. Both are two-sided and take
//! large samples: the Mann-Whitney U by its normal approximation with the correction for ties and for
//! continuity, the Kolmogorov-Smirnov statistic by its limiting distribution.

/// Mann, Whitney, "On a test of whether one of two random variables is stochastically larger than the
/// other" (1947): the U of the first sample, and the two-sided p.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> (f64, f64) {
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let mut all: Vec<(f64, bool)> = first.iter().map(|value| (*value, true)).collect();
    all.extend(second.iter().map(|value| (*value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let size = group.len() as f64;
        // Equal values share the mean of their ranks.
        let rank = before + (size + 1.0) / 2.0;
        rank_sum += rank * group.iter().filter(|(_, of_first)| *of_first).count() as f64;
        ties += size.powi(3) - size;
        before += size;
    }
    let u = rank_sum - n1 * (n1 + 1.0) / 2.0;
    let n = n1 + n2;
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    let distance = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0);
    if variance <= 0.0 {
        return (u, 1.0);
    }
    (
        u,
        erfc(distance / variance.sqrt() / std::f64::consts::SQRT_2).min(1.0),
    )
}

/// Kolmogorov-Smirnov: the greatest distance of the two empirical distributions, and its p.
pub fn kolmogorov_smirnov(first: &[f64], second: &[f64]) -> (f64, f64) {
    let sorted = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (first, second) = (sorted(first), sorted(second));
    let below = |sorted: &[f64], at: f64| {
        sorted.partition_point(|value| *value <= at) as f64 / sorted.len() as f64
    };
    let points = first.iter().chain(&second);
    let distances = points.map(|at| (below(&first, *at) - below(&second, *at)).abs());
    let d = distances.fold(0.0, f64::max);
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    (d, kolmogorov((n1 * n2 / (n1 + n2)).sqrt() * d))
}

/// The limiting distribution's upper tail: 2 * sum of (-1)^(k-1) exp(-2 k^2 x^2).
fn kolmogorov(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let terms = (1..=100).map(|k| {
        let k = f64::from(k);
        let sign = if k % 2.0 == 1.0 { 1.0 } else { -1.0 };
        sign * (-2.0 * k * k * x * x).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

/// The complementary error function of a value from 0 on, to about 1e-7 in relative terms (Numerical
/// Recipes, section 6.2, `erfcc`).
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x);
    let coefficients = [
        0.17087277,
        -0.82215223,
        1.48851587,
        -1.13520398,
        0.27886807,
        -0.18628806,
        0.09678418,
        0.37409196,
        1.00002368,
    ];
    let polynomial = coefficients.iter().fold(0.0, |sum, c| sum * t + c);
    t * (-x * x - 1.26551223 + t * polynomial).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 2e-4, "{value}, not {expected}");
    }

    #[test]
    fn the_functions_agree_with_tables() {
        // Normal distribution, two-sided: 1.96 leaves 0.0500, 3.2905 leaves 0.0010.
        close(erfc(1.959_964 / std::f64::consts::SQRT_2), 0.05);
        close(erfc(3.290_527 / std::f64::consts::SQRT_2), 0.001);
        close(erfc(0.0), 1.0);
        // Smirnov's table of the limiting distribution: 1.36 leaves 0.049, 1.63 leaves 0.010.
        close(kolmogorov(1.358_1), 0.05);
        close(kolmogorov(1.627_6), 0.01);
        close(kolmogorov(1.949_5), 0.001);
    }

    #[test]
    fn mann_whitney_agrees_with_published_examples() {
        // The example in SciPy's documentation of `mannwhitneyu` (ages at diagnosis of diabetes):
        // U = 17, asymptotic p with continuity correction 0.11134688653314041.
        let males = [19.0, 22.0, 16.0, 29.0, 24.0];
        let females = [20.0, 11.0, 17.0, 12.0];
        let (u, p) = mann_whitney(&males, &females);
        assert_eq!(u, 17.0);
        close(p, 0.111_346_9);
        // The example of R's `wilcox.test` (Hollander and Wolfe 1973, permeability constants): W = 35,
        // exact p one-sided 0.1272; the approximation comes close.
        let at_term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        let (u, p) = mann_whitney(&at_term, &early);
        assert_eq!(u, 35.0);
        assert!((p / 2.0 - 0.1272).abs() < 0.006, "{p}");
        // Every value tied: nothing can be told.
        assert_eq!(mann_whitney(&[1.0, 1.0], &[1.0, 1.0]).1, 1.0);
    }

    #[test]
    fn kolmogorov_smirnov_finds_the_greatest_distance() {
        let (d, p) = kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]);
        assert_eq!(d, 0.5);
        close(p, kolmogorov(0.5 * 2.0_f64.sqrt()));
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[1.0, 2.0]).0, 0.0);
    }

    #[test]
    fn samples_of_one_kind_pass_and_a_shift_is_found() {
        let mut state = 7_u64;
        let mut draw = |shift: f64| -> Vec<f64> {
            (0..4000)
                .map(|_| {
                    // A linear congruential generator (Knuth, MMIX); its high bits are good enough here.
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (state >> 11) as f64 / (1_u64 << 53) as f64 + shift
                })
                .collect()
        };
        let (one, same, shifted) = (draw(0.0), draw(0.0), draw(0.05));
        assert!(mann_whitney(&one, &same).1 > 0.001);
        assert!(kolmogorov_smirnov(&one, &same).1 > 0.001);
        assert!(mann_whitney(&one, &shifted).1 < 0.001);
        assert!(kolmogorov_smirnov(&one, &shifted).1 < 0.001);
    }
}
