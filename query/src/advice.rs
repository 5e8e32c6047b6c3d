//! What is still missing for the rows of an upload to be priced rightly, and the command that supplies it.

use paygrain_ingest::UploadResult;
use paygrain_ingest::lake::{Declaration, UploadRow};
use paygrain_ingest::summary::{Summary, Undeclared};
use paygrain_pricing::Catalogue;
use paygrain_pricing::table::Table;
use serde::Serialize;

/// Resources that a command is given for one by one.
const NAMED_MAX: usize = 3;

/// What an upload still needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Services whose rows no price book prices.
    pub unpriced: Vec<Unpriced>,
    /// Values that prices depend on and that neither the log nor a default gives.
    pub undeclared: Vec<Undeclared>,
    /// Commands that supply them, for rows that are in the lake already and for later ones.
    pub commands: Vec<String>,
}

/// Rows of a service without a price book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// `aws`, `gcp`, `azure`, …
    pub provider: String,
    /// The service.
    pub service: String,
    /// The usage table.
    pub table: String,
    /// Rows.
    pub rows: u64,
}

impl Advice {
    /// What the rows of an upload in the lake still lack after all that was declared since; nothing is known of uploads
    /// without a summary.
    pub fn of_row(catalogue: &Catalogue, upload: &UploadRow, declarations: &[Declaration]) -> Self {
        let Some(summary) = &upload.summary else { return Self::default() };
        Self::about(catalogue, &upload.id, summary, declarations)
    }

    fn about(catalogue: &Catalogue, upload_id: &str, summary: &Summary, declarations: &[Declaration]) -> Self {
        let mut advice = Self::default();
        for found in &summary.services {
            let Some(table) = usage_table(&found.table) else { continue };
            if catalogue.columns_read(&found.provider, &found.service, table).is_empty() {
                advice.unpriced.push(Unpriced {
                    provider: found.provider.clone(),
                    service: found.service.clone(),
                    table: found.table.clone(),
                    rows: found.rows,
                });
            }
        }
        for lack in summary.undeclared.iter().filter_map(|lack| still_undeclared(lack, upload_id, declarations)) {
            let Some(table) = usage_table(&lack.table) else { continue };
            let read = catalogue.columns_read(&lack.provider, &lack.service, table);
            // Only instances that one manages oneself are billed by their CPU there, and no log of executions has it.
            if (lack.service.as_str(), lack.column.as_str()) == ("lambda", "vcpu_milli") {
                continue;
            }
            // A bill names account and resource whatever its prices depend on; but only a resource can be found again.
            if read.contains(lack.column.as_str()) || (lack.column == "resource" && !read.is_empty()) {
                advice.undeclared.push(lack);
            }
        }
        advice.commands = commands(&advice.undeclared, upload_id);
        advice
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.unpriced.is_empty() && self.undeclared.is_empty()
    }
}

/// What landed, and what it still needs: the answer of the command and of the API.
#[derive(Clone, Debug, Serialize)]
pub struct Landed {
    /// What became of the upload.
    #[serde(flatten)]
    pub result: UploadResult,
    /// What its rows still need.
    pub advice: Advice,
}

impl Landed {
    /// An upload with what its rows lack after all that was declared before.
    pub fn of(catalogue: &Catalogue, result: UploadResult, declarations: &[Declaration]) -> Self {
        let advice = Advice::about(catalogue, &result.id, &result.summary, declarations);
        Self { result, advice }
    }
}

/// A lack without what was declared since. What was declared of a resource by its name takes that name off; only when no
/// name was left out of the list is it known that none remains.
fn still_undeclared(lack: &Undeclared, upload_id: &str, declarations: &[Declaration]) -> Option<Undeclared> {
    let names = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let about: Vec<&Declaration> = declarations
        .iter()
        .filter(|declaration| {
            let scope = &declaration.scope;
            let column = lack.column.as_str();
            (declaration.text(column).is_some() || declaration.integer(column).is_some())
                && names(&scope.provider, &lack.provider)
                && names(&scope.service, &lack.service)
                && names(&scope.upload_id, upload_id)
        })
        .collect();
    if about.iter().any(|declaration| declaration.scope.resource.is_none()) {
        return None;
    }
    let declared = |name: &str| about.iter().any(|declaration| declaration.scope.resource.as_deref() == Some(name));
    // Rows without a name may have been given one.
    let given = declarations.iter().rev().find_map(|declaration| {
        let of_upload = declaration.scope.upload_id.as_deref() == Some(upload_id);
        declaration.values.resource.as_deref().filter(|_| of_upload && declaration.scope.resource.is_none())
    });
    let unnamed = lack.unnamed && !given.is_some_and(declared);
    let resources: Vec<String> = lack.resources.iter().filter(|name| !declared(name)).cloned().collect();
    let is_left = !resources.is_empty() || lack.more || unnamed;
    is_left.then(|| Undeclared { resources, unnamed, ..lack.clone() })
}

fn usage_table(name: &str) -> Option<Table> {
    Table::ALL.into_iter().find(|table| table.name() == name)
}

/// One command for each service and resource, with every value it lacks.
fn commands(undeclared: &[Undeclared], upload_id: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut done: Vec<(&str, &str)> = Vec::new();
    for lack in undeclared {
        let service = (lack.provider.as_str(), lack.service.as_str());
        if done.contains(&service) {
            continue;
        }
        done.push(service);
        let own: Vec<&Undeclared> =
            undeclared.iter().filter(|other| (other.provider.as_str(), other.service.as_str()) == service).collect();
        if own.iter().any(|lack| lack.column == "resource") {
            let upload = upload_id.get(..12).unwrap_or(upload_id);
            commands.push(format!("paygrain lake set-metadata --upload {upload} --name NAME"));
        }
        let flags: Vec<String> = own.iter().filter_map(|lack| flag(&lack.column)).collect();
        if flags.is_empty() {
            continue;
        }
        let flags = flags.join(" ");
        let mut resources: Vec<&str> = own.iter().flat_map(|lack| &lack.resources).map(String::as_str).collect();
        resources.sort_unstable();
        resources.dedup();
        if service == ("aws", "lambda") {
            commands.push(
                "aws lambda list-functions > functions.json && paygrain lake set-metadata functions.json".to_owned(),
            );
        }
        let scope = format!("--provider {} --service {}", service.0, service.1);
        if resources.is_empty() || resources.len() > NAMED_MAX {
            commands.push(format!("paygrain lake set-metadata {scope} {flags}"));
        }
        for resource in resources.iter().take(NAMED_MAX) {
            commands.push(format!("paygrain lake set-metadata {scope} --resource {} {flags}", quoted(resource)));
        }
    }
    commands
}

fn flag(column: &str) -> Option<String> {
    let (flag, value) = match column {
        "account" => ("account", "ID"),
        "region" => ("region", "NAME"),
        "architecture" => ("architecture", "x86_64|arm64"),
        "package_type" => ("package-type", "Zip|Image"),
        "memory_mb" => ("memory-mb", "MB"),
        "vcpu_milli" => ("vcpu-milli", "MILLI"),
        "storage_class" => ("storage-class", "NAME"),
        _ => return None,
    };
    Some(format!("--{flag} {value}"))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use paygrain_ingest::Defaults;
    use paygrain_ingest::lake::DeclarationScope;

    use super::*;

    fn lack(column: &str, resources: &[&str]) -> Undeclared {
        Undeclared {
            provider: "aws".into(),
            service: "lambda".into(),
            table: "invocations".into(),
            column: column.into(),
            rows: 1,
            resources: resources.iter().map(|&name| name.to_owned()).collect(),
            unnamed: false,
            more: false,
        }
    }

    #[test]
    fn commands_name_what_is_missing_of_what() {
        let lacks = [lack("region", &["f", "it's"]), lack("architecture", &["f"]), lack("resource", &[])];
        assert_eq!(
            commands(&lacks, "0123456789abcdef"),
            [
                "paygrain lake set-metadata --upload 0123456789ab --name NAME",
                "aws lambda list-functions > functions.json && paygrain lake set-metadata functions.json",
                "paygrain lake set-metadata --provider aws --service lambda --resource f --region NAME --architecture x86_64|arm64",
                r"paygrain lake set-metadata --provider aws --service lambda --resource 'it'\''s' --region NAME --architecture x86_64|arm64",
            ]
        );
        let many = lack("region", &["a", "b", "c", "d"]);
        assert!(commands(&[many], "0")[1].ends_with("--provider aws --service lambda --region NAME"));
        assert!(commands(&[], "0").is_empty());
    }

    #[test]
    fn what_was_declared_since_is_no_longer_missing() {
        let declared = |resource: Option<&str>, values: &[(&str, &str)]| {
            let mut declaration = Declaration {
                scope: DeclarationScope { resource: resource.map(str::to_owned), ..DeclarationScope::default() },
                values: Defaults::default(),
                overrides: false,
                declared_at_us: 0,
            };
            for (column, value) in values {
                match *column {
                    "region" => declaration.values.region = Some((*value).to_owned()),
                    _ => declaration.values.resource = Some((*value).to_owned()),
                }
            }
            declaration
        };
        let both = lack("region", &["f", "g"]);
        let left = |lack: &Undeclared, declarations: &[Declaration]| {
            still_undeclared(lack, "u", declarations).map(|lack| (lack.resources, lack.unnamed))
        };
        let region = |resource| declared(resource, &[("region", "eu-west-1")]);
        assert_eq!(left(&both, &[region(Some("f"))]), Some((vec!["g".to_owned()], false)));
        assert_eq!(left(&both, &[region(Some("f")), region(Some("g"))]), None);
        assert_eq!(left(&both, &[region(None)]), None);
        let mut other = region(None);
        other.scope.upload_id = Some("another".into());
        assert_eq!(left(&both, &[other]), Some((both.resources.clone(), false)));
        let unnamed = Undeclared { unnamed: true, ..lack("region", &[]) };
        let mut name = declared(None, &[("resource", "h")]);
        name.scope.upload_id = Some("u".into());
        assert_eq!(left(&unnamed, &[region(Some("h"))]), Some((vec![], true)));
        assert_eq!(left(&unnamed, &[name, region(Some("h"))]), None);
        let more = Undeclared { more: true, ..lack("region", &["f"]) };
        assert_eq!(left(&more, &[region(Some("f"))]), Some((vec![], false)));
    }
}
