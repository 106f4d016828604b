//! What is tested is what is served: the packages of the origin have the same features alone and beside its tests.

/// What to do when a package has other features beside the tests.
pub(in crate::check) const FIX: &str = "turn the missing feature on in origin/Cargo.toml, beside the others that nobody there calls; \
    otherwise what is tested is another program than what is served, and both are compiled";
/// How `cargo tree` is to print what this reads: a line for each package, with its features.
pub(in crate::check) const PRINTED: [&str; 5] = ["--prefix", "none", "--no-dedupe", "-f", "{p}|{f}"];

/// Lines of the origin's own tree that the tree with its tests lacks. A package is there once for each set of features.
pub(in crate::check) fn differences(served: &str, tested: &str) -> Vec<String> {
    let lines = |tree: &'_ str| -> Vec<String> {
        let mut lines: Vec<_> = tree.lines().filter(|line| line.contains('|')).map(str::to_owned).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    let (served, tested) = (lines(served), lines(tested));
    let lacks = |line: &&String| tested.binary_search(line).is_err();
    served.iter().filter(lacks).map(|line| described(line, &tested)).collect()
}

fn described(line: &str, tested: &[String]) -> String {
    let (package, features) = line.split_once('|').unwrap_or((line, ""));
    let same = |other: &&String| other.split_once('|').is_some_and(|(other, _)| other == package);
    let others: Vec<_> = tested.iter().filter(same).filter_map(|other| other.split_once('|')).collect();
    let others: Vec<_> = others.iter().map(|(_, features)| *features).collect();
    format!("{package} has [{features}], and beside the tests [{}]", others.join("] or ["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_the_tests_turn_on_is_found() {
        let served = "origin v1|\ntokio v1.2.3|net,time\nsyn v2.0.0 (proc-macro)|full\ntokio v1.2.3|net,time\n";
        let tested = "tests v1|\norigin v1|\ntokio v1.2.3|net,test-util,time\nsyn v2.0.0 (proc-macro)|full\n";
        assert_eq!(
            differences(served, tested),
            ["tokio v1.2.3 has [net,time], and beside the tests [net,test-util,time]"]
        );
        assert_eq!(differences(served, &format!("{tested}tokio v1.2.3|net,time\n")), [""; 0]);
    }
}
