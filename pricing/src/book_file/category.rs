//! FOCUS service categories and subcategories: what a book may say of its service
use super::reader::{Entry, Reader};
use crate::nearest::did_you_mean_or;

/// The service categories of FOCUS 1.1 and 1.2 with their subcategories.
const CATEGORIES: &[(&str, &[&str])] = &[
    (
        "AI and Machine Learning",
        &[
            "AI Platforms",
            "Bots",
            "Generative AI",
            "Machine Learning",
            "Natural Language Processing",
            "Other (AI and Machine Learning)",
        ],
    ),
    (
        "Analytics",
        &[
            "Analytics Platforms",
            "Business Intelligence",
            "Data Processing",
            "Search",
            "Streaming Analytics",
            "Other (Analytics)",
        ],
    ),
    ("Business Applications", &["Productivity and Collaboration", "Other (Business Applications)"]),
    (
        "Compute",
        &[
            "Containers",
            "End User Computing",
            "Quantum Compute",
            "Serverless Compute",
            "Virtual Machines",
            "Other (Compute)",
        ],
    ),
    (
        "Databases",
        &[
            "Caching",
            "Data Warehouses",
            "Ledger Databases",
            "NoSQL Databases",
            "Relational Databases",
            "Time Series Databases",
            "Other (Databases)",
        ],
    ),
    (
        "Developer Tools",
        &[
            "Developer Platforms",
            "Continuous Integration and Deployment",
            "Development Environments",
            "Source Code Management",
            "Quality Assurance",
            "Other (Developer Tools)",
        ],
    ),
    ("Identity", &["Identity and Access Management", "Other (Identity)"]),
    ("Integration", &["API Management", "Messaging", "Workflow Orchestration", "Other (Integration)"]),
    ("Internet of Things", &["IoT Analytics", "IoT Platforms", "Other (Internet of Things)"]),
    (
        "Management and Governance",
        &[
            "Architecture",
            "Compliance",
            "Cost Management",
            "Data Governance",
            "Disaster Recovery",
            "Endpoint Management",
            "Observability",
            "Support",
            "Other (Management and Governance)",
        ],
    ),
    ("Media", &["Content Creation", "Gaming", "Media Streaming", "Mixed Reality", "Other (Media)"]),
    ("Migration", &["Data Migration", "Resource Migration", "Other (Migration)"]),
    ("Mobile", &["Other (Mobile)"]),
    ("Multicloud", &["Multicloud Integration", "Other (Multicloud)"]),
    (
        "Networking",
        &[
            "Application Networking",
            "Content Delivery",
            "Network Connectivity",
            "Network Infrastructure",
            "Network Routing",
            "Network Security",
            "Other (Networking)",
        ],
    ),
    (
        "Security",
        &["Secret Management", "Security Posture Management", "Threat Detection and Response", "Other (Security)"],
    ),
    (
        "Storage",
        &["Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms", "Other (Storage)"],
    ),
    ("Web", &["Application Platforms", "Other (Web)"]),
    ("Other", &["Other (Other)"]),
];

/// Category and subcategory of a book. Without a subcategory it is `Other (…)` of its category, without both `Other`.
pub(super) fn read<'t>(reader: &mut Reader<'t>, root: Entry<'t>) -> (String, String) {
    let (category, subcategory) = (reader.text(root, "category"), reader.text(root, "subcategory"));
    let at = |key: &str| root.get(key).map_or(root.start, |value| value.span().start);
    let parent = subcategory.and_then(|name| CATEGORIES.iter().find(|(_, subs)| subs.contains(&name)));
    if let Some(name) = category.filter(|name| !CATEGORIES.iter().any(|(known, _)| known == name)) {
        let hint = did_you_mean_or(name, CATEGORIES.iter().map(|(known, _)| *known));
        reader.problem_with_hint(at("category"), format!("`{name}` is no FOCUS service category"), hint);
        return (name.to_owned(), String::new());
    }
    if let (Some(name), None) = (subcategory, parent) {
        let own = CATEGORIES.iter().filter(|(known, _)| category.is_none_or(|category| category == *known));
        let hint = did_you_mean_or(name, own.flat_map(|(_, subs)| subs.iter().copied()));
        reader.problem_with_hint(at("subcategory"), format!("`{name}` is no FOCUS service subcategory"), hint);
    }
    if let (Some(name), Some(subcategory), Some((parent, _))) = (category, subcategory, parent)
        && name != *parent
    {
        reader.problem(at("category"), format!("`{subcategory}` is a subcategory of `{parent}`, not of `{name}`"));
    }
    let category = category.or(parent.map(|(parent, _)| *parent)).unwrap_or("Other");
    (category.to_owned(), subcategory.map_or_else(|| format!("Other ({category})"), str::to_owned))
}
