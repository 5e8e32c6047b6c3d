//! `paygrain lake set-metadata` and `metadata`: what logs do not say, supplied after they were ingested.

use std::path::{Path, PathBuf};

use clap::Args;
use paygrain_ingest::lake::{Declaration, DeclarationScope};
use paygrain_ingest::{Defaults, IngestError, defaults, resource_list};
use serde_json::json;

use crate::commands::{Context, short_id, whole_id};
use crate::failure::Failure;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// Supply what logs did not say, for rows that are in the lake already and for later ones
///
/// Nothing is ingested again and no row is rewritten: bills, pages and queries see the values from now on. They fill gaps;
/// with `--override` they also win over what rows say. Of several values for a row that of the narrower scope wins
/// (upload, resource, service), then the later one. Issued bills do not change.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  aws lambda list-functions > functions.json && paygrain lake set-metadata functions.json
  paygrain lake set-metadata --resource resize-image --region eu-west-1 --architecture arm64
  paygrain lake set-metadata --upload 3f1c2a9b4d5e --name nightly-report --account 123456789012
  paygrain lake set-metadata resources.toml")]
pub struct SetMetadata {
    /// Files of values by resource: TOML as for `ingest --defaults`, or a list of functions (`aws lambda list-functions`,
    /// `gcloud functions list --format=json`, `gcloud run services list --format=json`)
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only rows of this function, bucket or other resource
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Only rows of this upload (its id, or the beginning of it)
    #[arg(long, value_name = "ID")]
    upload: Option<String>,
    /// Only rows of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only rows of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Also where rows say otherwise
    #[arg(long = "override")]
    overrides: bool,
    /// Name of the resource, for rows of an upload that has none
    #[arg(long, value_name = "NAME", requires = "upload")]
    name: Option<String>,
    /// Account
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Region
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// `x86_64` or `arm64`
    #[arg(long, value_name = "NAME")]
    architecture: Option<String>,
    /// `Zip` or `Image`
    #[arg(long, value_name = "TYPE")]
    package_type: Option<String>,
    /// Runtime
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
    /// Memory, in MB as the provider configures it
    #[arg(long, value_name = "MB")]
    memory_mb: Option<i64>,
    /// CPU, in thousandths of a virtual CPU
    #[arg(long, value_name = "MILLI")]
    vcpu_milli: Option<i64>,
    /// Requests that an instance takes at once
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<i64>,
    /// Temporary storage, in MB
    #[arg(long, value_name = "MB")]
    ephemeral_mb: Option<i64>,
    /// `on-demand`, `provisioned` or `edge`
    #[arg(long, value_name = "NAME")]
    capacity: Option<String>,
    /// Storage class of the objects in a bucket
    #[arg(long, value_name = "NAME")]
    storage_class: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl SetMetadata {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lake = context.lake.open()?;
        let declared_at_us = chrono::Utc::now().timestamp_micros();
        let upload_id = match &self.upload {
            Some(beginning) => Some(whole_id(&lake, beginning).await?),
            None => None,
        };
        let scope = DeclarationScope {
            provider: self.provider.clone(),
            service: self.service.clone(),
            upload_id,
            resource: self.resource.clone(),
        };
        let declare = |scope, values| Declaration { scope, values, overrides: self.overrides, declared_at_us };
        let mut declarations = Vec::new();
        for file in &self.files {
            for (own, values) in read(file, &scope)? {
                declarations.push(declare(own, values));
            }
        }
        let values = self.values();
        if values != Defaults::default() {
            declarations.push(declare(scope, values));
        }
        if declarations.is_empty() {
            let hint = "name values such as `--region eu-west-1`, or a file of them; `--help` has examples";
            return Err(Failure::usage("there is nothing to set", Some(hint.into())));
        }
        if let Some(problem) = declarations.iter().find_map(Declaration::problem) {
            return Err(Failure::usage(problem, None));
        }
        lake.declare(&declarations).await?;
        match self.format {
            OutputFormat::Table => {
                let what =
                    if declarations.len() == 1 { "1 entry".into() } else { format!("{} entries", declarations.len()) };
                print_text(&format!("{what} set; `paygrain lake metadata` lists all\n"))
            }
            format => print(&declarations, format),
        }
    }

    fn values(&self) -> Defaults {
        Defaults {
            account: self.account.clone(),
            region: self.region.clone(),
            resource: self.name.clone(),
            architecture: self.architecture.clone(),
            package_type: self.package_type.clone(),
            runtime: self.runtime.clone(),
            memory_mb: self.memory_mb,
            vcpu_milli: self.vcpu_milli,
            concurrency: self.concurrency,
            ephemeral_mb: self.ephemeral_mb,
            capacity: self.capacity.clone(),
            storage_class: self.storage_class.clone(),
            ..Defaults::default()
        }
    }
}

/// List what was supplied after logs were ingested
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  paygrain lake metadata
  paygrain lake metadata --format json")]
pub struct ListMetadata {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl ListMetadata {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let declarations = context.lake.open()?.declarations().await?;
        if declarations.is_empty() && self.format == OutputFormat::Table {
            return print_text("Nothing was set yet: `paygrain lake set-metadata --help` has examples.\n");
        }
        print(&declarations, self.format)
    }
}

/// What a file says, by the rows it is about.
fn read(file: &Path, scope: &DeclarationScope) -> Result<Vec<(DeclarationScope, Defaults)>, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|source| IngestError::Io { what: format!("cannot read `{name}`"), source })?;
    let of = |resource: String| DeclarationScope { resource: Some(resource), ..scope.clone() };
    if defaults::is_json(&text) {
        let listed = resource_list::read(&name, &text)?;
        return Ok(listed
            .into_iter()
            .map(|resource| {
                let provider = Some(scope.provider.clone().unwrap_or_else(|| resource.provider.into()));
                let service = Some(scope.service.clone().unwrap_or_else(|| resource.service.into()));
                (DeclarationScope { provider, service, ..of(resource.name) }, resource.values)
            })
            .collect());
    }
    let mut general = Defaults::from_toml(&name, &text)?;
    let resources = std::mem::take(&mut general.resources);
    let mut read: Vec<_> = resources.into_iter().map(|(resource, values)| (of(resource), values)).collect();
    if general != Defaults::default() {
        read.push((scope.clone(), general));
    }
    Ok(read)
}

fn print(declarations: &[Declaration], format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return print_json(&json!({ "metadata": declarations }));
    }
    let mut rows = Rows::new(["provider", "service", "upload", "resource", "values", "overrides"]);
    for declaration in declarations {
        let scope = &declaration.scope;
        let shown = |value: &Option<String>| value.clone().unwrap_or_default();
        let upload = scope.upload_id.as_deref().unwrap_or_default();
        let upload = if format == OutputFormat::Table { short_id(upload) } else { upload };
        let values = declaration.stated().map(|(column, value)| format!("{column}={value}"));
        rows.push(vec![
            shown(&scope.provider),
            shown(&scope.service),
            upload.to_owned(),
            shown(&scope.resource),
            values.collect::<Vec<_>>().join(" "),
            declaration.overrides.to_string(),
        ]);
    }
    if format == OutputFormat::Csv { rows.print_csv() } else { rows.print() }
}
