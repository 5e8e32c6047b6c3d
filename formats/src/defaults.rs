//! What a log does not say: account, region, function name and the like, from flags or a `--defaults FILE.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::IngestError;
use crate::record::{Invocation, MeteredQuantity, Request, StoredBytes};

const DAY_US: i64 = 86_400_000_000;

/// Values for fields that a log leaves out. A value in the log always wins.
///
/// ```toml
/// account = "123456789012"
/// region = "eu-west-1"
///
/// [resources.resize-image]     # by function or bucket name, as the log gives it
/// architecture = "arm64"
/// package_type = "Image"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Billing account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Provider region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Function, bucket or other resource name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `x86_64` or `arm64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// `Zip` or `Image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_type: Option<String>,
    /// Runtime identifier; `custom` for custom runtimes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Configured memory, in MB (binary), where the log does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<i64>,
    /// Configured CPU, in thousandths of a virtual CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpu_milli: Option<i64>,
    /// Requests that an instance takes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// Configured temporary storage, in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_mb: Option<i64>,
    /// `on-demand`, `provisioned` or `edge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<String>,
    /// Storage class of the objects in a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Days that a snapshot of what is stored stands for, where it does not say: 7 for a weekly inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_days: Option<i64>,
    /// The same by resource name; wins over the values above.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, Defaults>,
}

impl Defaults {
    /// Reads a defaults file, or a list of functions as a provider's tool prints it: see [`crate::resource_list`].
    ///
    /// # Errors
    /// [`IngestError::BadDefaults`] with the line and the expectation.
    pub fn read(name: &str, text: &str) -> Result<Self, IngestError> {
        if !is_json(text) {
            return Self::from_toml(name, text);
        }
        let listed = crate::resource_list::read(name, text)?;
        let resources = listed.into_iter().map(|resource| (resource.name, resource.values)).collect();
        Ok(Self { resources, ..Self::default() })
    }

    /// Reads a defaults file.
    ///
    /// # Errors
    /// [`IngestError::BadDefaults`] with the line and the expectation.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, IngestError> {
        toml::from_str(text)
            .map_err(|error| IngestError::BadDefaults { name: name.to_owned(), problem: error.to_string() })
    }

    /// Fills the gaps of an invocation.
    pub fn complete_invocation<'a, T: AsRef<str> + From<&'a str>>(&'a self, row: &mut Invocation<T>) {
        fill(&mut row.resource, &self.resource);
        if let Some(own) = self.of_resource(row.resource.as_ref()) {
            own.complete_invocation(row);
        }
        fill(&mut row.account, &self.account);
        fill(&mut row.region, &self.region);
        fill(&mut row.architecture, &self.architecture);
        fill(&mut row.package_type, &self.package_type);
        fill(&mut row.runtime, &self.runtime);
        fill(&mut row.capacity, &self.capacity);
        row.memory_mb = row.memory_mb.or(self.memory_mb);
        row.vcpu_milli = row.vcpu_milli.or(self.vcpu_milli);
        row.concurrency = row.concurrency.or(self.concurrency);
        row.ephemeral_mb = row.ephemeral_mb.or(self.ephemeral_mb);
    }

    /// Fills the gaps of a request.
    pub fn complete_request<'a, T: AsRef<str> + From<&'a str>>(&'a self, row: &mut Request<T>) {
        fill(&mut row.resource, &self.resource);
        if let Some(own) = self.of_resource(row.resource.as_ref()) {
            own.complete_request(row);
        }
        fill(&mut row.account, &self.account);
        fill(&mut row.region, &self.region);
        fill(&mut row.storage_class, &self.storage_class);
    }
}

impl Defaults {
    fn of_resource<T: AsRef<str>>(&self, resource: Option<&T>) -> Option<&Defaults> {
        if self.resources.is_empty() { None } else { self.resources.get(resource?.as_ref()) }
    }

    /// Fills the gaps of stored bytes.
    pub fn complete_stored_bytes(&self, row: &mut StoredBytes) {
        fill(&mut row.resource, &self.resource);
        if let Some(own) = self.of_resource(row.resource.as_ref()) {
            own.complete_stored_bytes(row);
        }
        fill(&mut row.account, &self.account);
        fill(&mut row.region, &self.region);
        fill(&mut row.storage_class, &self.storage_class);
        row.held_us = row.held_us.or_else(|| self.held_days?.checked_mul(DAY_US));
    }

    /// Fills the gaps of a metered quantity.
    pub fn complete_metered_quantity(&self, row: &mut MeteredQuantity) {
        fill(&mut row.resource, &self.resource);
        if let Some(own) = self.of_resource(row.resource.as_ref()) {
            own.complete_metered_quantity(row);
        }
        fill(&mut row.account, &self.account);
        fill(&mut row.region, &self.region);
        fill(&mut row.architecture, &self.architecture);
        fill(&mut row.runtime, &self.runtime);
    }
}

/// Whether a text is JSON and not TOML, where a bracket begins a table.
pub fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    let inside = text.strip_prefix('[').map(str::trim_start);
    text.starts_with('{') || inside.is_some_and(|inside| inside.starts_with(['{', ']']))
}

fn fill<'a, T: From<&'a str>>(field: &mut Option<T>, value: &'a Option<String>) {
    if field.is_none() {
        *field = value.as_deref().map(T::from);
    }
}
