//! Settings of a session: what drivers set and show. Only `statement_timeout` has an effect. Those of `datafusion-postgres`
//! need the engine in this process.

use std::collections::BTreeMap;
use std::time::Duration;

use paygrain_query::PostgresClient;

use super::failure::{Failure, code, shown};

/// What every session starts with. The server always answers in UTC, in ISO dates, in UTF-8, and reads only.
const DEFAULTS: [(&str, &str); 18] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("max_identifier_length", "63"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", PostgresClient::SERVER_VERSION),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Most settings a client may make up, and bytes of a name or a value.
const SETTINGS_MAX: usize = 100;
const SETTING_BYTES_MAX: usize = 1024;

/// The settings of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    set: BTreeMap<String, String>,
}

impl Settings {
    /// Sets one, or with `None` makes it what it was; `all` does so for all.
    ///
    /// # Errors
    /// For a value that would promise what is not kept, and for settings of the engine.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) -> Result<(), Failure> {
        let Some(value) = value else {
            match name {
                "all" => self.set.clear(),
                _ => drop(self.set.remove(name)),
            }
            return Ok(());
        };
        if name.starts_with("datafusion.") {
            return Err(Failure::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied to set `{name}`"))
                .with_hint("settings of the engine are the server's"));
        }
        let lower = value.to_lowercase();
        let expected = match name {
            "client_encoding" if !["utf8", "utf-8", "unicode", "auto"].contains(&lower.as_str()) => "UTF8",
            "datestyle" if !lower.starts_with("iso") => "ISO",
            "standard_conforming_strings" if !["on", "true", "1", "yes"].contains(&lower.as_str()) => "on",
            "timezone" if !is_utc(&lower) => "UTC",
            "statement_timeout" if duration(&lower).is_none() => "a time, such as 500, '500ms', '5s' or '1min'",
            "" => "a name",
            _ if self.set.len() >= SETTINGS_MAX => "fewer settings",
            _ if name.len().max(value.len()) > SETTING_BYTES_MAX => "a shorter name and value",
            _ => {
                self.set.insert(name.to_owned(), value);
                return Ok(());
            }
        };
        let problem = format!("`{name}` is `{}`, expected {expected}", shown(&value));
        Err(Failure::new(code::INVALID_PARAMETER_VALUE, problem))
    }

    /// What the client said when it connected. What is not kept is left out, as it does not ask again.
    pub(super) fn begin(&mut self, parameters: &std::collections::HashMap<String, String>) {
        for (name, value) in parameters {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                "options" => self.begin_options(value),
                name if name.starts_with("_pq_.") => {}
                name => drop(self.set(&name.to_lowercase(), Some(value.clone()))),
            }
        }
    }

    /// `-c name=value` and `--name=value`.
    fn begin_options(&mut self, options: &str) {
        let options = options.replace("-c ", "-c");
        for option in options.split_whitespace() {
            let assignment = option.strip_prefix("--").or_else(|| option.strip_prefix("-c")).unwrap_or_default();
            if let Some((name, value)) = assignment.split_once('=') {
                drop(self.set(&name.to_lowercase().replace('-', "_"), Some(value.to_owned())));
            }
        }
    }

    /// The value of one.
    pub(super) fn show(&self, name: &str) -> Option<String> {
        let default = || DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        self.set.get(name).cloned().or_else(default)
    }

    /// All, by name.
    pub(super) fn all(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> =
            DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.extend(self.set.clone());
        all
    }

    /// How long a statement may take, if the session limits it further than the server does.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        duration(&self.set.get("statement_timeout")?.to_lowercase()).filter(|timeout| !timeout.is_zero())
    }
}

/// The name of a setting as clients are told that it changed.
pub(super) fn reported(name: &str) -> Option<&'static str> {
    Some(match name {
        "application_name" => "application_name",
        "client_encoding" => "client_encoding",
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        "standard_conforming_strings" => "standard_conforming_strings",
        "timezone" => "TimeZone",
        _ => return None,
    })
}

/// Whether a time zone is the one that all times are told in.
pub(super) fn is_utc(value: &str) -> bool {
    let names = ["utc", "etc/utc", "gmt", "etc/gmt", "z", "zulu", "0", "+0", "+00", "+00:00", "local", "default"];
    names.contains(&value)
}

fn duration(value: &str) -> Option<Duration> {
    let digits = value.find(|next: char| !next.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..digits].parse().ok()?;
    let unit_ms = match value[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_kept_is_refused() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("client_encoding", "LATIN1"),
            ("datestyle", "German"),
            ("timezone", "Europe/Berlin"),
            ("statement_timeout", "soon"),
            ("standard_conforming_strings", "off"),
            ("datafusion.execution.batch_size", "1"),
        ] {
            settings.set(name, Some(value.into())).unwrap_err();
        }
        assert!(settings.set.is_empty());
        for (name, value) in [("client_encoding", "UTF8"), ("datestyle", "iso, dmy"), ("my.own", "x"), ("jit", "off")] {
            settings.set(name, Some(value.into())).unwrap();
            assert_eq!(settings.show(name).as_deref(), Some(value));
        }
        settings.set("all", None).unwrap();
        assert_eq!(settings.show("datestyle").as_deref(), Some("ISO, MDY"));
        assert_eq!(settings.show("my.own"), None);
    }

    #[test]
    fn timeouts_have_units() {
        let mut settings = Settings::default();
        for (value, ms) in [("250", 250), ("250ms", 250), ("2s", 2000), ("1min", 60_000)] {
            settings.set("statement_timeout", Some(value.into())).unwrap();
            assert_eq!(settings.statement_timeout(), Some(Duration::from_millis(ms)), "{value}");
        }
        settings.set("statement_timeout", Some("0".into())).unwrap();
        assert_eq!(settings.statement_timeout(), None);
        settings.begin(&[("options".into(), "-c statement_timeout=5s --application-name=x".into())].into());
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(5)));
        assert_eq!(settings.show("application_name").as_deref(), Some("x"));
    }
}
