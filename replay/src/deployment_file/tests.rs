//! The shipped files, worked by hand where it can be; files that are wrong, and what is said of them
use std::{collections::BTreeMap, sync::LazyLock};

use paygrain_pricing::{
    Agreement, Allowances, Catalogue, Estimate, EstimateRequest, Exact, RowValue, UsageRow, estimate,
};

use crate::{
    Deployments, Kind, Term,
    deployment::{CommittedPlan, Deployment, Each, Line, Mark, Memory, Scaling, Vcpu},
    interruptions::Interruptions,
};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());

fn shipped() -> Deployments {
    Deployments::embedded(&CATALOGUE).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
    })
}

#[test]
fn every_shipped_file_reads_without_problems_and_every_line_has_a_price() {
    let all = shipped();
    let unpriced = all.unpriced(&CATALOGUE, "2026-10".parse().unwrap());
    let said = |(deployment, line, reason): &(&Deployment, &Line, String)| {
        format!("{}: {:?}: {reason}", deployment.name, line.row)
    };
    assert_eq!(unpriced.iter().map(said).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn there_are_enough_services_of_each_kind() {
    let all = shipped();
    let mut services: BTreeMap<Kind, Vec<(&str, &str)>> = BTreeMap::new();
    let mut sizes: BTreeMap<Kind, usize> = BTreeMap::new();
    for deployment in all.all() {
        let service = (deployment.provider.as_str(), deployment.title.split(' ').next().unwrap());
        services.entry(deployment.kind).or_default().push(service);
        *sizes.entry(deployment.kind).or_default() += 1;
        assert!(!deployment.lines.is_empty(), "{}", deployment.name);
    }
    for (kind, least) in
        [(Kind::Faas, 12), (Kind::Container, 40), (Kind::Vm, 67), (Kind::Paas, 30), (Kind::Physical, 3)]
    {
        assert!(sizes[&kind] >= least, "{kind:?}: {}", sizes[&kind]);
    }
    let clouds = |kind| {
        let mut providers: Vec<_> = services[&kind].iter().map(|(provider, _)| *provider).collect();
        providers.dedup();
        providers
    };
    assert_eq!(clouds(Kind::Vm), ["aws", "azure", "gcp"]);
    assert!(clouds(Kind::Faas).len() >= 8, "{:?}", clouds(Kind::Faas));
    assert!(clouds(Kind::Paas).len() >= 6, "{:?}", clouds(Kind::Paas));
}

#[test]
fn what_was_seen_names_its_source_and_nothing_is_without_a_mark() {
    for deployment in shipped().all() {
        let name = &deployment.name;
        for figure in &deployment.figures {
            let known = figure.source.as_ref().is_some_and(|key| deployment.sources.contains_key(key));
            let needed = matches!(figure.mark, Mark::Seen | Mark::Derived);
            assert!(known || figure.source.is_none() && !needed, "{name}: {figure:?}");
        }
        let figure = |wanted: &str| deployment.figures.iter().any(|figure| figure.name == wanted);
        assert!(figure("start"), "{name}");
        assert!(figure("size") || figure("memory"), "{name}");
        assert_eq!(deployment.scaling == Scaling::Request, figure("tail"), "{name}");
    }
}

#[test]
fn instances_are_charged_only_where_instances_are_counted() {
    for deployment in shipped().all() {
        let each: Vec<Each> = deployment.lines.iter().map(|line| line.each).collect();
        let name = &deployment.name;
        assert_eq!(each.contains(&Each::Task), deployment.scaling == Scaling::Task, "{name}");
        assert_eq!(each.contains(&Each::Instance), deployment.scaling == Scaling::Sized, "{name}");
    }
}

#[test]
fn sizes_limits_and_words_are_read() {
    let all = shipped();
    let lambda = all.find("aws-lambda-arm").unwrap();
    assert_eq!((lambda.limits.longest_run_s, lambda.limits.concurrency), (Some(900), Some(1000)));
    assert_eq!(lambda.limits.request_bytes, Some(6 * 1024 * 1024));
    assert_eq!((lambda.start_us, lambda.tail_us), (400_000, 360_000_000));
    assert_eq!(lambda.lines[0].row["architecture"], RowValue::Text("arm64".to_owned()));
    assert_eq!(lambda.lines[0].row["memory_mb"], RowValue::Text("$memory_mb".to_owned()));
    assert_eq!(lambda.memory.for_function(129), Some(129));
    assert_eq!(lambda.memory.for_function(10_241), None);
    assert_eq!(lambda.vcpu.of_memory(1769), 1000);

    let gen1 = all.find("gcp-functions").unwrap();
    assert_eq!(gen1.limits.longest_run_s, Some(540));
    assert_eq!([129, 4097, 8193].map(|mb| gen1.memory.for_function(mb)), [Some(256), Some(8192), None]);
    assert_eq!([128, 1024, 8192].map(|mb| gen1.vcpu.of_memory(mb)), [83, 583, 2000]);

    let micro = all.find("aws-ec2-t3.micro").unwrap();
    assert_eq!(micro.memory, Memory::Fixed(1024));
    assert_eq!(micro.vcpu, Vcpu::Fixed { milli: 2000, sustained_milli: 200 });
    assert_eq!(micro.title, "Amazon EC2 t3.micro");

    let fargate = all.find("aws-fargate-x86-0.25vcpu").unwrap();
    assert_eq!(
        [100, 513, 1025, 2049].map(|mb| fargate.memory.for_function(mb)),
        [Some(512), Some(1024), Some(2048), None]
    );

    let background = all.find("gcp-app-engine-b1").unwrap();
    assert_eq!(background.limits.longest_run_s, Some(86_400));
    assert_eq!(background.limits.request_bytes, Some(32_000_000), "the other limits are the file's");
    assert!(all.find("heroku-dyno-standard-2x").is_some() && all.find("azure-vm-b1s").is_some());
}

/// What a deployment costs in October 2026, 744 hours: one instance all month, and executions that are described.
fn month(name: &str, runs: UsageRow) -> String {
    let all = shipped();
    let deployment = all.find(name).unwrap();
    let text = |text: &str| RowValue::Text(text.to_owned());
    let of_line = |line: &Line| {
        let mut row = line.row.clone();
        let own_time = row.values().any(|value| *value == text("$up_us") || *value == text("$up_hours"));
        let memory_mb = deployment.memory.for_function(1).unwrap();
        for value in row.values_mut() {
            let number: Option<i64> = match value {
                RowValue::Text(word) if word == "$up_us" => Some(744 * 3_600_000_000),
                RowValue::Text(word) if word == "$up_hours" => Some(744),
                RowValue::Text(word) if word == "$memory_mb" => Some(memory_mb),
                RowValue::Text(word) if word == "$vcpu_milli" => Some(deployment.vcpu.of_memory(memory_mb)),
                RowValue::Text(word) if word.starts_with('$') => Some(0),
                _ => None,
            };
            if let Some(number) = number {
                *value = RowValue::Number(number.into());
            }
        }
        match line.each {
            Each::Instance | Each::Period if !own_time => {
                row.extend([("from".to_owned(), text("2026-10-01")), ("to".to_owned(), text("2026-11-01"))]);
            }
            Each::Run | Each::Task => row.extend(runs.clone()),
            _ => {}
        }
        row
    };
    let counted = |line: &&Line| line.by_default && line.each != Each::Request;
    let request = EstimateRequest {
        period: "2026-10".parse().unwrap(),
        provider: Some(deployment.provider.clone()),
        organisation: None,
        account: None,
        region: deployment.region.clone(),
        account_opened: None,
        allowances: Allowances::None,
        used_allowance_percent: 0,
        agreement: Agreement::default(),
        usage: deployment.lines.iter().filter(counted).map(of_line).collect(),
    };
    let Estimate { total, unpriced, .. } = estimate(&CATALOGUE, request).unwrap();
    assert_eq!(unpriced, []);
    total.round_half_up(6)
}

#[test]
fn months_that_were_worked_by_hand() {
    let none = UsageRow::new;
    let runs = |words: &[(&str, i64)]| -> UsageRow {
        words.iter().map(|(word, number)| ((*word).to_owned(), RowValue::Number(Exact::from(*number)))).collect()
    };
    for (name, runs, expected) in [
        // 744 h × 0.0104, 8 GB × 0.08, 744 h × 0.005.
        ("aws-ec2-t3.micro", none(), "12.097600"),
        // 744 h × 0.017.
        ("azure-app-service-b1", none(), "12.648000"),
        // 31 tasks of 60 s after 30 s of start: 90 s × (0.25 × 0.04048 + 0.5 × 0.004445) / 3600 each.
        ("aws-fargate-x86-0.25vcpu", runs(&[("duration_us", 90_000_000), ("count", 31)]), "0.009565"),
        // 744 h × (0.04048 + 2 × 0.004445).
        ("aws-fargate-service-x86-1vcpu", none(), "36.731280"),
        // 744 h × (0.10 for the cluster + 0.0416), 20 GB × 0.08, 744 h × 0.005.
        ("aws-eks-t3.medium", none(), "110.670400"),
        // 744 h × (0.10 + 0.03350571), 100 GB × 0.04 for 744 / 730 of a month.
        ("gcp-gke-e2-medium", none(), "103.404961"),
        // A plan of 5 with 10 million requests and 30 million ms: 10 million × 0.30 and 110 million ms × 0.02 a million.
        ("cloudflare-workers", runs(&[("duration_us", 50_000), ("cpu_us", 7_000), ("count", 20_000_000)]), "10.200000"),
        // 10,000 / 48, 1,750 / 12 and 1,250 / 20 for 744 / 730 of a month, 282.72 kWh × 1.6 × 0.10.
        ("onprem-server-typical", none(), "469.892734"),
        // 25 for a dyno all month: 744 h are above the cap.
        ("heroku-dyno-standard-1x", none(), "25.000000"),
    ] {
        assert_eq!(month(name, runs), expected, "{name}");
    }
}

/// A right file.
const RIGHT: &str = r#"title = "Amazon EC2"
kind = "vm"
provider = "aws"
scaling = "sized"
start = { is = "60s", mark = "assumed" }

[limits]
longest_run = { is = "15min", source = "K", mark = "seen" }

[sources]
K = "a page"

[[size]]
name = "t3.nano"
memory_mb = 512
vcpu_milli = 2000
sustained_milli = 100
variant = "t3.nano"
source = "K"
mark = "seen"

[[line]]
part = "compute"
each = "instance"
row = { service = "ec2", meter = "instance", variant = "$variant", quantity = 1 }
"#;

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    match Deployments::of_files(&CATALOGUE, files.iter().copied()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// What is changed in the right file, to what, and the problem that is told of it.
const WRONG: &[(&str, &str, &str)] = &[
    ("title = \"Amazon EC2\"", "titel = \"Amazon EC2\"", "1: unknown key `titel` (did you mean `title`?)"),
    ("kind = \"vm\"", "kind = \"wm\"", "2: unknown kind `wm` (did you mean `vm`?)"),
    ("scaling = \"sized\"\n", "", "1: `scaling` is missing"),
    ("\"60s\"", "60", "5: size t3.nano: `is` is not a text in quotes"),
    (
        "\"60s\"",
        "\"60 sec\"",
        "5: size t3.nano: `60 sec` is not a whole number and a unit such as \"15min\" (units: us, ms, s, min, h, day)",
    ),
    (
        "{ is = \"60s\", mark = \"assumed\" }",
        "\"60s\"",
        "5: size t3.nano: `start` has no mark (write { is = \"60s\", mark = \"assumed\" }, or its source and mark)",
    ),
    ("mark = \"assumed\"", "mark = \"asumed\"", "5: size t3.nano: unknown mark `asumed` (did you mean `assumed`?)"),
    ("start = ", "# start = ", "1: size t3.nano: `start` is missing: it is assumed, and said to be"),
    (
        "start = ",
        "notice = { is = \"30s\", mark = \"assumed\" }\nstart = ",
        "14: size t3.nano: one of `interruptions_per_thousand_hours` and `notice` is missing (write both of them, or neither)",
    ),
    (
        "memory_mb = 512",
        "memory_mb = 512\ncommitments = { 1-year = \"aws.ec2.reserved-standard-1x\" }",
        "16: size t3.nano: commitment `1-year`: no price book has the plan `aws.ec2.reserved-standard-1x` (did you mean `aws.ec2.reserved-standard-1y`?)",
    ),
    (
        "memory_mb = 512",
        "memory_mb = 512\ncommitments = { 1-year = \"aws.ec2.reserved-standard-1y\" }",
        "16: size t3.nano: commitment `1-year`: the plan `aws.ec2.reserved-standard-1y` has no `key` `t3.nano`",
    ),
    (
        "memory_mb = 512",
        "memory_mb = 512\ncommitments = { 3-year = \"aws.ec2.compute-savings-plan\" }",
        "16: size t3.nano: `aws.ec2.compute-savings-plan` is a plan by money",
    ),
    (
        "memory_mb = 512",
        "memory_mb = 512\ncommitments = { 2-year = \"aws.ec2.reserved-standard-1y\" }",
        "16: size t3.nano: unknown term `2-year` (did you mean",
    ),
    ("longest_run =", "longest_runs =", "8: size t3.nano: unknown key `longest_runs` (did you mean `longest_run`?)"),
    (
        "source = \"K\", mark = \"seen\" }",
        "source = \"J\", mark = \"seen\" }",
        "8: size t3.nano: no source `J` (known: K)",
    ),
    (
        "source = \"K\", mark = \"seen\" }",
        "mark = \"seen\" }",
        "8: size t3.nano: `limits.longest_run` has no `source`, although it was seen in one",
    ),
    (
        "name = \"t3.nano\"",
        "name = \"T3 nano\"",
        "14: size T3 nano: `aws-vm-T3 nano`: names are of lower-case letters, digits, `-` and `.` (aws-vm-t3-nano)",
    ),
    (
        "memory_mb = 512",
        "memroy_mb = 512",
        "13: size t3.nano: the size has no memory (`memory_mb` of the size, or `memory` of the file)",
    ),
    (
        "memory_mb = 512",
        "memory_mb = 512\nmemroy = 1",
        "16: size t3.nano: no line takes the word `memroy` (did you mean `memory`?)",
    ),
    (
        "sustained_milli = 100",
        "sustained_milli = 3000",
        "17: size t3.nano: `sustained_milli` is 3000, above the 2000 there are",
    ),
    (
        "variant = \"t3.nano\"",
        "varaint = \"t3.nano\"",
        "25: size t3.nano: nothing supplies `$variant` (did you mean `varaint`?)",
    ),
    (
        "part = \"compute\"",
        "part = \"computer\"",
        "23: size t3.nano: unknown part `computer` (did you mean `compute`?)",
    ),
    (
        "each = \"instance\"",
        "each = \"instant\"",
        "24: size t3.nano: unknown each `instant` (did you mean `instance`?)",
    ),
    (
        "each = \"instance\"",
        "each = \"instance\"\ntrigger = \"http\"",
        "25: size t3.nano: `trigger` tells executions apart: only lines for each run, task or request have it",
    ),
    ("part = \"compute\"", "part = \"compute\"\nextra = \"disk\"", "22: size t3.nano: `by_default` is missing"),
    ("service = \"ec2\"", "service = \"ec3\"", "25: size t3.nano: no price book for aws/ec3 (did you mean `ec2`?)"),
    ("meter = ", "metre = ", "25: size t3.nano: `metre` is not a word of the usage table requests"),
    (
        "quantity = 1",
        "quantitiy = 1",
        "25: size t3.nano: `quantitiy` is not a word of the usage table metered (did you mean `quantity`?)",
    ),
    (
        "quantity = 1",
        "quantity = 1.5",
        "25: size t3.nano: `quantity` is neither a whole number nor a text or decimal in quotes",
    ),
    ("quantity = 1", "quantity = \"one\"", "25: size t3.nano: `quantity`: "),
    ("[[size]]", "[[sizes]]", "1: the file has no `[[size]]`"),
    ("[[line]]", "[[lines]]", "1: the file has no `[[line]]`: nothing would be charged"),
    ("kind = \"vm\"", "kind = vm", "2: "),
    (
        "scaling = \"sized\"",
        "scaling = \"request\"",
        "1: size t3.nano: `tail` is missing: it is assumed, and said to be",
    ),
    ("scaling = \"sized\"", "scaling = \"sized\"\nwithout_extras = [\"dsk\"]", "5: no extra `dsk` is taken over"),
    (
        "row = { service = \"ec2\", meter = \"instance\", variant = \"$variant\", quantity = 1 }",
        "row = { service = \"ec2\", operation = \"nat-process\", variant = \"$variant\" }",
        "25: size t3.nano: the row does not go with its `each`: `held_us` is not a word of the usage table requests (instances and the period",
    ),
    ("K = \"a page\"", "K = \"a page\"\nJ = \"another\"", "12: no figure names the source `J`"),
    (
        "each = \"instance\"",
        "each = \"run\"",
        "25: size t3.nano: the row does not go with its `each`: `cpu_us` is not a word of the usage table metered (a run",
    ),
];

#[test]
fn wrong_files_are_told_by_line() {
    assert_eq!(problems(&[("aws/vm", RIGHT)]), Vec::<String>::new());
    for (right, wrong, expected) in WRONG {
        assert!(RIGHT.contains(right), "{right}");
        let found = problems(&[("aws/vm", &RIGHT.replacen(right, wrong, 1))]);
        let expected = format!("aws/vm:{expected}");
        assert!(found.iter().any(|found| found.starts_with(&expected)), "{wrong}\n{expected}\n{found:#?}");
    }
}

#[test]
fn what_may_be_said_of_a_machine_is_read() {
    let plain = Deployments::of_files(&CATALOGUE, [("aws/vm", RIGHT)]).unwrap();
    let plain = &plain.all()[0];
    assert_eq!((plain.limits.gpus, plain.interruptions, plain.commitments.len()), (0, None, 0));
    let more = RIGHT
        .replace("[limits]", "[limits]\ngpus = { is = 4, mark = \"assumed\" }")
        .replace("start = ", "interruptions_per_thousand_hours = { is = 7, mark = \"assumed\" }\nstart = ")
        .replace("start = ", "notice = { is = \"2min\", mark = \"assumed\" }\nstart = ")
        .replace("t3.nano", "t3.medium")
        .replace("memory_mb", "commitments = { 1-year = \"aws.ec2.reserved-standard-1y\" }\nmemory_mb");
    let more = Deployments::of_files(&CATALOGUE, [("aws/vm", more.as_str())]).unwrap();
    let more = &more.all()[0];
    assert_eq!(more.limits.gpus, 4);
    assert_eq!(more.interruptions, Some(Interruptions { per_thousand_hours: 7, notice_us: 120_000_000 }));
    let plan = CommittedPlan { plan: "aws.ec2.reserved-standard-1y".to_owned(), key: Some("t3.medium".to_owned()) };
    assert_eq!(more.commitments, BTreeMap::from([(Term::OneYear, plan)]));
    let figures: Vec<_> = more.figures.iter().map(|figure| figure.name.as_str()).collect();
    for figure in ["interruptions_per_thousand_hours", "notice", "limits.gpus"] {
        assert!(figures.contains(&figure), "{figure} is not among the figures that are shown");
    }
}

#[test]
fn every_problem_is_told_at_once_and_once_though_sizes_share_a_file() {
    let two = RIGHT.replace("kind = \"vm\"", "kind = \"wm\"").replace("\"60s\"", "\"60\"")
        + "[[size]]\nname = \"t3.micro\"\nmemory_mb = 1024\nvcpu_milli = 2000\nvariant = \"t3.micro\"\nsource = \"K\"\nmark = \"seen\"\n";
    let found = problems(&[("aws/vm", &two), ("aws/broken", "title = ")]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("aws/broken:1: "), "{found:#?}");
}

#[test]
fn a_name_that_comes_twice_is_told() {
    let twice = RIGHT.replace("[[line]]", "[[size]]\nname = \"t3.nano\"\nmemory_mb = 512\nvcpu_milli = 2000\nvariant = \"t3.nano\"\nsource = \"K\"\nmark = \"seen\"\n\n[[line]]");
    assert_eq!(problems(&[("aws/vm", &twice)]), ["aws/vm:22: there is another deployment `aws-vm-t3.nano`"]);
    assert_eq!(
        problems(&[("aws/vm", RIGHT), ("mine/aws/vm", RIGHT)]),
        ["mine/aws/vm:13: there is another deployment `aws-vm-t3.nano`"]
    );
}

#[test]
fn extras_are_taken_over_by_the_kinds_they_name() {
    let extras = r#"provider = "aws"
[[line]]
extra = "disk"
kinds = ["vm"]
by_default = true
part = "storage"
each = "instance"
row = { service = "ec2", storage_class = "gp3", gib = 8 }
mark = "assumed"
note = "8 GB"
"#;
    let read = |extras: &str, service: &str| {
        let all = Deployments::of_files(&CATALOGUE, [("aws/vm", service), ("aws/extras", extras)]).unwrap();
        let deployment = all.all()[0].clone();
        (deployment.lines.iter().map(|line| line.extra.clone()).collect::<Vec<_>>(), deployment.figures)
    };
    let (lines, figures) = read(extras, RIGHT);
    assert_eq!(lines, [None, Some("disk".to_owned())]);
    assert!(figures.iter().any(|figure| figure.name == "line.disk" && figure.mark == Mark::Assumed));
    assert_eq!(read(&extras.replace("[\"vm\"]", "[\"paas\"]"), RIGHT).0, [None]);
    let without = RIGHT.replace("scaling = \"sized\"", "scaling = \"sized\"\nwithout_extras = [\"disk\"]");
    assert_eq!(read(extras, &without).0, [None]);

    let wrong = extras.replace("\"vm\"", "\"vms\"").replace("gp3", "$class").replace("[[line]]", "size = 3\n[[line]]");
    assert_eq!(
        problems(&[("aws/extras", &wrong), ("aws/vm", RIGHT)]),
        [
            "aws/extras:2: unknown key `size` (known: provider, region, note, sources, line)",
            "aws/extras:5: unknown kind `vms` (did you mean `vm`?)",
            "aws/extras:9: nothing supplies `$class` (known: concurrency, init_us, log_bytes, memory_mb, request_bytes, \
         response_bytes, run_count, up_hours, up_us, vcpu_milli)",
        ]
    );
}

#[test]
fn a_line_without_a_price_is_told() {
    let unknown = RIGHT.replace("variant = \"t3.nano\"", "variant = \"t3.gigantic\"");
    let all = Deployments::of_files(&CATALOGUE, [("aws/vm", unknown.as_str())]).unwrap();
    let unpriced = all.unpriced(&CATALOGUE, "2026-10".parse().unwrap());
    assert_eq!(unpriced.len(), 1);
    assert!(unpriced[0].2.starts_with("no SKU of aws/ec2 counts such a row"), "{}", unpriced[0].2);
}
