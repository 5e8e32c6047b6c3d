//! Files that are right, and files that are not
use paygrain_pricing::Catalogue;

use crate::Deployments;

#[test]
fn every_shipped_file_reads_without_problems_and_every_line_has_a_price() {
    let catalogue = Catalogue::embedded().unwrap();
    let all = Deployments::embedded(&catalogue).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
    });
    let unpriced = all.unpriced(&catalogue, "2026-10".parse().unwrap());
    let told: Vec<_> =
        unpriced.iter().map(|(deployment, line, reason)| format!("{}: {:?}: {reason}", deployment.name, line.row)).collect();
    assert_eq!(told, Vec::<String>::new());
}
