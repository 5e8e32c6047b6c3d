//! Examples of price books: rated, and held against the total they state
use crate::{
    book::{Example, PriceBook},
    catalogue::{Catalogue, Problem},
    estimate::estimate,
};

impl Catalogue {
    /// Rates every example of a book and tells what does not come out as it states.
    ///
    /// The usage may feed SKUs of any book of the catalogue. An example whose usage is partly unpriced is wrong too.
    pub fn check_examples(&self, book: &PriceBook) -> Vec<Problem> {
        let wrong = |example: &Example, message| Problem {
            book: book.name.clone(),
            line: example.line,
            place: format!("example `{}`", example.title),
            message,
            hint: None,
        };
        let mut problems = Vec::new();
        for example in &book.examples {
            let estimate = match estimate(self, example.request.clone()) {
                Ok(estimate) => estimate,
                Err(error) => {
                    problems.push(Problem { hint: error.hint(), ..wrong(example, error.to_string()) });
                    continue;
                }
            };
            for unpriced in &estimate.unpriced {
                let what = unpriced.sku.as_deref().unwrap_or(&unpriced.service);
                problems.push(wrong(example, format!("usage row {} ({what}): {}", unpriced.row, unpriced.reason)));
            }
            // A total without end is stated to as many digits as it is shown with.
            let (ours, stated) = (estimate.total.to_string(), example.total.to_string());
            if ours != stated {
                let charges: Vec<String> =
                    estimate.charges.iter().map(|charge| format!("{} {}", charge.sku, charge.billed_cost)).collect();
                let charges = if charges.is_empty() { "no charges".to_owned() } else { charges.join(", ") };
                let message = format!("the total is {ours}, not {stated}: {charges}");
                problems.push(wrong(example, message));
            }
        }
        problems
    }
}
