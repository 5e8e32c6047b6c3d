//! Envelopes of a message: `heroku logs`, syslog with and without the length in front; and the fields of a router line.

use crate::format::timestamp;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// Of the platform.
    Heroku(Message<'a>),
    /// Begins like a message and ends before it is clear whose.
    CutOff(&'static str),
    /// Of the platform, with a time that is none.
    NoTime(String),
    /// Of an app, or the second line of a message.
    Other,
}

/// A message of the platform.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) time: i64,
    /// `router`, `logplex`, `api`, or a dyno such as `web.1`.
    pub(super) process: &'a str,
    pub(super) text: &'a str,
}

/// The frames in a line, with their places. The length in front of a frame counts bytes; where the next frame does not
/// begin there, the line was changed on its way and is one frame.
pub(super) fn split(line: &[u8]) -> Vec<(usize, &[u8])> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let length = counted(rest).and_then(|(prefix, length)| {
            let end = prefix.checked_add(length)?;
            counted(rest.get(end..)?).map(|_| end)
        });
        let end = length.unwrap_or(rest.len());
        frames.push((at, &rest[..end]));
        at += end;
    }
    frames
}

/// The bytes of `342 ` and the number, if a syslog message follows.
fn counted(frame: &[u8]) -> Option<(usize, usize)> {
    let digits = frame.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = frame.get(digits..)?.strip_prefix(b" <")?;
    let priority = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 7 || !(1..=3).contains(&priority) || !rest.get(priority..)?.starts_with(b">1 ") {
        return None;
    }
    Some((digits + 1, std::str::from_utf8(frame.get(..digits)?).ok()?.parse().ok()?))
}

/// What a frame says.
pub(super) fn parse(frame: &str) -> Parsed<'_> {
    let message = counted(frame.as_bytes()).map_or(frame, |(prefix, _)| &frame[prefix..]);
    match message.strip_prefix('<') {
        Some(rest) => {
            let priority = rest.bytes().take_while(u8::is_ascii_digit).count();
            match rest[priority..].strip_prefix(">1 ") {
                Some(rest) if priority > 0 => syslog(rest),
                _ => Parsed::Other,
            }
        }
        None => command_line(message),
    }
}

/// `2026-10-05T17:00:01.234567+00:00 host heroku web.1 - message`; older ones have no host, or more of `-`.
fn syslog(text: &str) -> Parsed<'_> {
    const CUT: Parsed<'_> = Parsed::CutOff("the frame ends before its source: it is cut off");
    let Some((time, rest)) = text.split_once(' ') else { return CUT };
    let Some(time) = timestamp::iso(time) else {
        let by_platform = rest.split(' ').take(2).any(|word| word == "heroku");
        return if by_platform { no_time(time) } else { Parsed::Other };
    };
    let Some((first, rest)) = rest.split_once(' ') else { return CUT };
    let (source, rest) = match first {
        "heroku" | "app" => (first, rest),
        _ => match rest.split_once(' ') {
            Some(found) => found,
            None => return CUT,
        },
    };
    let Some((process, mut text)) = rest.split_once(' ') else { return CUT };
    while let Some(after) = text.strip_prefix("- ") {
        text = after;
    }
    of_platform(time, source, process, text)
}

/// `2026-10-05T17:00:01.234567+00:00 heroku[web.1]: message`.
fn command_line(text: &str) -> Parsed<'_> {
    let Some((time, length)) = timestamp::iso_prefix(text.as_bytes()) else {
        return match text.split_once(' ') {
            Some((word, rest)) if begins_like_time(word) && rest.starts_with("heroku[") => no_time(word),
            _ => Parsed::Other,
        };
    };
    let Some(rest) = text.get(length..).and_then(|rest| rest.strip_prefix(' ')) else { return Parsed::Other };
    let Some((source, text)) = rest.split_once(' ') else {
        let is_begun = ["heroku[", "app["].iter().any(|word| rest.starts_with(word) || word.starts_with(rest));
        return if is_begun {
            Parsed::CutOff("the line ends before its message: it is cut off")
        } else {
            Parsed::Other
        };
    };
    let parts = source.strip_suffix("]:").and_then(|source| source.split_once('['));
    let Some((source, process)) = parts else { return Parsed::Other };
    of_platform(time, source, process, text)
}

/// Whether something stands where the time does and begins like one: the second line of a message may say anything.
fn begins_like_time(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit() || first == '-') && word.contains(':')
}

fn no_time(found: &str) -> Parsed<'static> {
    Parsed::NoTime(format!("the time is `{}`, expected an ISO 8601 time", crate::error::excerpt(found.as_bytes())))
}

/// What people did (`api`) is in the stream of the app; all else there is what the app prints.
fn of_platform<'a>(time: i64, source: &str, process: &'a str, text: &'a str) -> Parsed<'a> {
    let by_platform = source == "heroku" || (source == "app" && process == "api");
    if by_platform && !process.is_empty() { Parsed::Heroku(Message { time, process, text }) } else { Parsed::Other }
}

/// Names and values of `at=info method=GET path="/" …`. A value without quotes ends at a space and may have `=` in it.
pub(super) fn fields(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let word_end = rest.find(' ').unwrap_or(rest.len());
        let Some((name, value)) = rest.split_once('=').filter(|(name, _)| name.len() < word_end) else {
            rest = rest[word_end..].trim_start();
            continue;
        };
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => match quoted.find("\" ") {
                Some(end) => (&quoted[..end], &quoted[end + 1..]),
                None => {
                    let closed = quoted.strip_suffix('"');
                    (closed.ok_or_else(|| format!("`{name}` ends inside quotes: the line is cut off"))?, "")
                }
            },
            None => value.split_at(value.find(' ').unwrap_or(value.len())),
        };
        fields.push((name, value));
        rest = after.trim_start();
    }
    Ok(fields)
}
