//! Lists of functions and services as the providers' own tools print them, read as what they say of each resource:
//! `aws lambda list-functions`, `gcloud functions list --format=json`, `gcloud run services list --format=json`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::decimal;

/// A resource in a list, and what the list says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedResource {
    /// `aws` or `gcp`.
    pub provider: &'static str,
    /// The service as price books name it.
    pub service: &'static str,
    /// Name, as logs give it.
    pub name: String,
    /// Account, region, memory, architecture, …
    pub values: Defaults,
}

/// Reads a list; resources of one name keep only what all of them agree on, since logs name no more than that.
///
/// # Errors
/// [`IngestError::BadDefaults`] when it is no JSON, or no such list.
pub fn read(name: &str, text: &str) -> Result<Vec<ListedResource>, IngestError> {
    let bad = |problem: String| IngestError::BadDefaults { name: name.to_owned(), problem };
    let mut listed: BTreeMap<(&str, &str, String), Defaults> = BTreeMap::new();
    // Pages of a long list may have been put behind each other.
    for page in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let page = page.map_err(|error| bad(format!("not valid JSON: {error}")))?;
        let items = match &page {
            Value::Object(fields) if fields.get("Functions").is_some_and(Value::is_array) => &fields["Functions"],
            other => other,
        };
        for item in items.as_array().map_or(std::slice::from_ref(items), Vec::as_slice) {
            let Some(ListedResource { provider, service, name, values }) = resource(item) else {
                let expected = "expected what `aws lambda list-functions`, `gcloud functions list --format=json` or `gcloud run services list --format=json` print";
                return Err(bad(format!("it is no list of functions or services: {expected}")));
            };
            listed
                .entry((provider, service, name))
                .and_modify(|known| *known = agreed(known, &values))
                .or_insert(values);
        }
    }
    let resource = |((provider, service, name), values)| ListedResource { provider, service, name, values };
    Ok(listed.into_iter().map(resource).collect())
}

fn resource(item: &Value) -> Option<ListedResource> {
    aws_function(item).or_else(|| gcp_function(item)).or_else(|| cloud_run_service(item))
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn aws_function(item: &Value) -> Option<ListedResource> {
    let name = text(item, "/FunctionName")?;
    // arn:aws:lambda:REGION:ACCOUNT:function:NAME
    let arn = text(item, "/FunctionArn")?;
    let mut parts = arn.split(':').skip(3).map(str::to_owned);
    let values = Defaults {
        region: parts.next(),
        account: parts.next(),
        memory_mb: item["MemorySize"].as_i64(),
        architecture: text(item, "/Architectures/0"),
        package_type: text(item, "/PackageType"),
        runtime: text(item, "/Runtime"),
        ephemeral_mb: item.pointer("/EphemeralStorage/Size").and_then(Value::as_i64),
        ..Defaults::default()
    };
    Some(ListedResource { provider: "aws", service: "lambda", name, values })
}

/// `projects/P/locations/L/functions/F`; of the first generation with `availableMemoryMb`, of the second with a
/// `serviceConfig`.
fn gcp_function(item: &Value) -> Option<ListedResource> {
    let path = text(item, "/name")?;
    let mut parts = path.split('/');
    let ["projects", project, "locations", region, "functions", name] = [(); 6].map(|()| parts.next().unwrap_or(""))
    else {
        return None;
    };
    let second = item.get("serviceConfig").is_some();
    let values = Defaults {
        account: Some(project.to_owned()),
        region: Some(region.to_owned()),
        runtime: text(item, "/runtime").or_else(|| text(item, "/buildConfig/runtime")),
        memory_mb: item["availableMemoryMb"]
            .as_i64()
            .or_else(|| memory_mb(&text(item, "/serviceConfig/availableMemory")?)),
        vcpu_milli: text(item, "/serviceConfig/availableCpu").and_then(|cpu| vcpu_milli(&cpu)),
        concurrency: item.pointer("/serviceConfig/maxInstanceRequestConcurrency").and_then(Value::as_i64),
        ..Defaults::default()
    };
    let service = if second { "cloud-run" } else { "functions" };
    Some(ListedResource { provider: "gcp", service, name: name.to_owned(), values })
}

fn cloud_run_service(item: &Value) -> Option<ListedResource> {
    text(item, "/apiVersion").filter(|version| version.starts_with("serving.knative.dev/"))?;
    let limit = |what: &str| text(item, &format!("/spec/template/spec/containers/0/resources/limits/{what}"));
    let values = Defaults {
        region: text(item, "/metadata/labels/cloud.googleapis.com~1location"),
        memory_mb: limit("memory").and_then(|memory| memory_mb(&memory)),
        vcpu_milli: limit("cpu").and_then(|cpu| vcpu_milli(&cpu)),
        concurrency: item.pointer("/spec/template/spec/containerConcurrency").and_then(Value::as_i64),
        ..Defaults::default()
    };
    Some(ListedResource { provider: "gcp", service: "cloud-run", name: text(item, "/metadata/name")?, values })
}

/// `512Mi`, `1Gi`, `256M`: both kinds of units are the same sizes to this provider.
fn memory_mb(memory: &str) -> Option<i64> {
    let plain = memory.trim_end_matches(['i', 'B']);
    if let Some(number) = plain.strip_suffix('G') {
        return decimal::exact(number, 3)
            .ok()?
            .checked_mul(1024)
            .filter(|milli| milli % 1000 == 0)
            .map(|milli| milli / 1000);
    }
    decimal::exact(plain.strip_suffix('M')?, 0).ok()
}

/// `1000m` or `0.1666`; what is finer than a thousandth is left out.
fn vcpu_milli(cpu: &str) -> Option<i64> {
    match cpu.strip_suffix('m') {
        Some(milli) => decimal::exact(milli, 0).ok(),
        None => decimal::exact(cpu, 3).ok(),
    }
}

/// What two resources of one name have in common.
fn agreed(one: &Defaults, other: &Defaults) -> Defaults {
    fn same<T: PartialEq + Clone>(one: &Option<T>, other: &Option<T>) -> Option<T> {
        one.clone().filter(|value| Some(value) == other.as_ref())
    }
    Defaults {
        account: same(&one.account, &other.account),
        region: same(&one.region, &other.region),
        resource: same(&one.resource, &other.resource),
        architecture: same(&one.architecture, &other.architecture),
        package_type: same(&one.package_type, &other.package_type),
        runtime: same(&one.runtime, &other.runtime),
        memory_mb: same(&one.memory_mb, &other.memory_mb),
        vcpu_milli: same(&one.vcpu_milli, &other.vcpu_milli),
        concurrency: same(&one.concurrency, &other.concurrency),
        ephemeral_mb: same(&one.ephemeral_mb, &other.ephemeral_mb),
        capacity: same(&one.capacity, &other.capacity),
        storage_class: same(&one.storage_class, &other.storage_class),
        held_days: same(&one.held_days, &other.held_days),
        resources: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &str = r#"{"Functions":[
        {"FunctionName":"resize","FunctionArn":"arn:aws:lambda:eu-west-1:123456789012:function:resize","Runtime":"nodejs22.x",
         "MemorySize":512,"Architectures":["arm64"],"PackageType":"Zip","EphemeralStorage":{"Size":1024}},
        {"FunctionName":"both","FunctionArn":"arn:aws:lambda:eu-west-1:123456789012:function:both","MemorySize":128}]}
        {"Functions":[
        {"FunctionName":"both","FunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:both","MemorySize":128}]}"#;

    #[test]
    fn functions_as_the_tools_list_them() {
        let listed = read("functions.json", AWS).unwrap();
        let [both, resize] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((both.values.region.as_deref(), both.values.memory_mb), (None, Some(128)), "two regions");
        assert_eq!(both.values.account.as_deref(), Some("123456789012"));
        assert_eq!(resize.values.architecture.as_deref(), Some("arm64"));
        assert_eq!((resize.values.memory_mb, resize.values.ephemeral_mb), (Some(512), Some(1024)));
        assert_eq!(resize.values.region.as_deref(), Some("eu-west-1"));

        let gcp = r#"[{"name":"projects/p/locations/us-central1/functions/f","runtime":"python312","availableMemoryMb":256},
            {"name":"projects/p/locations/us-central1/functions/g","buildConfig":{"runtime":"go123"},
             "serviceConfig":{"availableMemory":"1Gi","availableCpu":"0.583","maxInstanceRequestConcurrency":80}}]"#;
        let listed = read("f.json", gcp).unwrap();
        let [second, first] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((first.service, first.values.memory_mb), ("functions", Some(256)));
        assert_eq!((second.service, second.values.memory_mb), ("cloud-run", Some(1024)));
        assert_eq!((second.values.vcpu_milli, second.values.concurrency), (Some(583), Some(80)));

        let run = r#"[{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"api",
            "labels":{"cloud.googleapis.com/location":"europe-west1"}},"spec":{"template":{"spec":{"containerConcurrency":80,
            "containers":[{"resources":{"limits":{"cpu":"1000m","memory":"512Mi"}}}]}}}}]"#;
        let listed = read("run.json", run).unwrap();
        assert_eq!(listed[0].values.region.as_deref(), Some("europe-west1"));
        assert_eq!((listed[0].values.memory_mb, listed[0].values.vcpu_milli), (Some(512), Some(1000)));
    }

    #[test]
    fn other_files_are_refused_with_what_was_expected() {
        for (text, words) in [
            ("{", "not valid JSON"),
            ("[1]", "aws lambda list-functions"),
            (r#"{"Buckets":[]}"#, "no list of functions"),
            (r#"[{"name":"projects/p"}]"#, "no list of functions"),
        ] {
            let error = read("x.json", text).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("x.json"), "{error}");
        }
        assert!(read("empty.json", r#"{"Functions":[]}"#).unwrap().is_empty());
    }
}
